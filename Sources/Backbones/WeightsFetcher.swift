import Crypto
import Foundation

/// Why a weight file could not be fetched. What had arrived is kept, and the next try goes on from there.
public enum FetchError: LocalizedError, Equatable {
    case noCurl
    case notFound(String)
    case unreachable(String, reason: String)
    case brokenOff(String, bytes: Int)
    case wrongChecksum(String, expected: String, found: String)
    case unwritable(String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .noCurl: "The program curl is needed to fetch files. Install it (apt-get install curl), or `make setup`."
        case .notFound(let address): "\(address) does not exist (404). The publisher may have moved it."
        case .unreachable(let address, let reason): "\(address) cannot be reached: \(reason)."
        case .brokenOff(let address, let bytes):
            "\(address) broke off after \(bytes) bytes. They are kept: the same command goes on from there."
        case .wrongChecksum(let file, let expected, let found):
            "\(file) arrived with the checksum \(found) instead of \(expected) and was removed. Fetch it again."
        case .unwritable(let path, let reason): "\(path) cannot be written: \(reason)."
        }
    }
}

/// Fetches published weights through curl: progress, resuming and redirects are its business.
public struct WeightsFetcher: Sendable {
    /// Address to use instead of the publisher's, ending in `/`.
    public var mirror: String?
    /// Whether curl draws its progress bar on standard error.
    public var showsProgress = true
    /// Seconds without a thousand bytes a second after which a transfer counts as dead.
    public var patience = 30
    private static let attempts = 3

    /// A fetcher that asks the publishers, or a mirror of them.
    public init(mirror: String? = nil) { self.mirror = mirror }

    /// Puts the file into `folder`, unless it is there already, whole.
    ///
    /// The file appears under its name only after its checksum was found right.
    ///
    /// - Returns: its path, and whether it was there before.
    /// - Throws: `FetchError`.
    public func fetch(_ weights: PublishedWeights, to folder: String) throws -> (path: String, wasThere: Bool) {
        let path = "\(folder)/\(weights.file)"
        if FileManager.default.fileExists(atPath: path), (try? Self.verify(path, weights.checksum)) != nil {
            return (path, true)
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FetchError.unwritable(folder, reason: error.localizedDescription)
        }
        let address = (mirror ?? weights.address) + weights.path
        let partial = path + ".partial"
        try transfer(address, to: partial)
        do {
            try Self.verify(partial, weights.checksum)
        } catch {
            unlink(partial)
            throw error
        }
        guard rename(partial, path) == 0 else {
            throw FetchError.unwritable(path, reason: String(cString: strerror(errno)))
        }
        return (path, false)
    }

    /// Runs curl, again from where it stopped while bytes keep arriving.
    private func transfer(_ address: String, to partial: String) throws {
        for attempt in 1...Self.attempts {
            let status = try curl([
                "--fail", "--location", "--continue-at", "-", "--output", partial, "--speed-limit", "1000",
                "--speed-time", "\(patience)", "--connect-timeout", "\(patience)", "--proto", "=http,https",
                showsProgress ? "--progress-bar" : "--silent", address,
            ])
            switch status {
            case 0: return
            case 22: throw FetchError.notFound(address)
            case 23: throw FetchError.unwritable(partial, reason: "the disk may be full")
            case 33, 36: unlink(partial)  // The server cannot resume: begin again.
            case 18, 28, 52, 55, 56: break
            default: throw FetchError.unreachable(address, reason: "curl ended with code \(status)")
            }
            if attempt == Self.attempts {
                let size = (try? FileManager.default.attributesOfItem(atPath: partial))?[.size] as? Int
                throw FetchError.brokenOff(address, bytes: size ?? 0)
            }
        }
    }

    private func curl(_ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["curl"] + arguments
        process.standardOutput = FileHandle.nullDevice
        if !showsProgress { process.standardError = FileHandle.nullDevice }
        do {
            try process.run()
        } catch {
            throw FetchError.noCurl
        }
        process.waitUntilExit()
        if process.terminationStatus == 127 { throw FetchError.noCurl }
        return process.terminationStatus
    }

    private static func verify(_ path: String, _ checksum: PublishedWeights.Checksum) throws {
        let (expected, found) =
            switch checksum {
            case .sha256(let prefix): (prefix, String(try digest(path, SHA256()).prefix(prefix.count)))
            case .md5(let digits): (digits, try digest(path, Insecure.MD5()))
            }
        if expected != found { throw FetchError.wrongChecksum(path, expected: expected, found: found) }
    }

    /// Hex digest of a file, read in pieces.
    private static func digest(_ path: String, _ hash: some HashFunction) throws -> String {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw FetchError.unwritable(path, reason: String(cString: strerror(errno)))
        }
        defer { try? file.close() }
        var hash = hash
        while let piece = try? file.read(upToCount: 1 << 20), !piece.isEmpty { hash.update(data: piece) }
        return hash.finalize().map { String(format: "%02x", $0) }.joined()
    }
}

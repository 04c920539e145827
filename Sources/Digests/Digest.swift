import CLibcrypto
import Files
import Foundation

package enum DigestAlgorithm: Sendable {
    case sha256
    /// For publishers that state only an MD5.
    case md5
}

/// An incremental hash by OpenSSL's libcrypto, which uses the processor's instructions.
package struct Digest: ~Copyable {
    private let context: OpaquePointer

    /// For SHA-256.
    package init() {
        guard let own = Digest(.sha256) else { fatalError("libcrypto has no memory for a SHA-256") }
        self = own
    }

    /// Nil if a system policy forbids the algorithm.
    package init?(_ algorithm: DigestAlgorithm) {
        guard let created = EVP_MD_CTX_new() else { return nil }
        guard EVP_DigestInit_ex(created, algorithm == .sha256 ? EVP_sha256() : EVP_md5(), nil) == 1 else {
            EVP_MD_CTX_free(created)
            return nil
        }
        context = created
    }

    deinit { EVP_MD_CTX_free(context) }

    package mutating func update(_ bytes: some DataProtocol) {
        for region in bytes.regions { region.withUnsafeBytes { update($0) } }
    }

    private mutating func update(_ bytes: UnsafeRawBufferPointer) {
        if let start = bytes.baseAddress { EVP_DigestUpdate(context, start, bytes.count) }
    }

    /// The digest: 32 bytes for SHA-256, 16 for MD5.
    package consuming func bytes() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { bytes, written in
            var count: UInt32 = 0
            EVP_DigestFinal_ex(context, bytes.baseAddress, &count)
            written = Int(count)
        }
    }

    /// The digest as lower-case hexadecimal.
    package consuming func hex() -> String { hexText(bytes()) }

    /// The digest of a file as lower-case hexadecimal. Throws `DigestError`.
    package static func file(_ path: String, _ algorithm: DigestAlgorithm = .sha256) throws(DigestError) -> String {
        let file: Int32
        do throws(FileError) {
            file = try RegularFile.open(path).descriptor
        } catch { throw DigestError(error) }
        defer { close(file) }
        // Pieces that fit into the L2 cache.
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { piece.deallocate() }
        guard var digest = Digest(algorithm) else { throw DigestError(path: path, code: ENOTSUP) }
        while true {
            let count = read(file, piece.baseAddress, piece.count)
            if count == 0 { return digest.hex() }
            if count > 0 {
                digest.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            } else if errno != EINTR {
                throw DigestError(path: path, code: errno)
            }
        }
    }
}

/// SHA-256 as lower-case hexadecimal.
package func hexDigest(_ bytes: some DataProtocol) -> String {
    var digest = Digest()
    digest.update(bytes)
    return digest.hex()
}

private func hexText(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: 2 * bytes.count) { text in
        for (place, byte) in bytes.enumerated() {
            for (offset, digit) in [byte >> 4, byte & 15].enumerated() {
                text[2 * place + offset] = digit + UInt8(ascii: digit < 10 ? "0" : "a") - (digit < 10 ? 0 : 10)
            }
        }
        return 2 * bytes.count
    }
}

package struct DigestError: LocalizedError, Equatable {
    package let path: String
    /// The system's error number; `ENOTSUP` if a system policy forbids the algorithm.
    package let code: Int32
    /// The problem, such as `it is a named pipe, not a regular file`.
    package let reason: String

    package init(path: String, code: Int32) {
        (self.path, self.code, reason) = (path, code, String(cString: strerror(code)))
    }

    private init(path: String, code: Int32, reason: String) {
        (self.path, self.code, self.reason) = (path, code, reason)
    }

    init(_ error: FileError) {
        switch error.problem {
        case .missing: self.init(path: error.path, code: ENOENT)
        case .notRegular("a folder"): self.init(path: error.path, code: EISDIR)
        default: self.init(path: error.path, code: ENODEV, reason: error.reason)
        }
    }

    package var errorDescription: String? { "\(path) cannot be read: \(reason). Check that it exists and is readable." }
}

import Escaping
import Foundation

extension PublishedWeights.Checksum {
    /// The strongest digest in the headers of a transfer: the hub's `X-Linked-ETag`, `Repr-Digest` and `Digest` (RFC
    /// 9530, RFC 3230), Google's `X-Goog-Hash`, `Content-MD5`, or an `ETag` of 32 hex digits, which object stores
    /// compute as MD5. An `ETag` of 64 digits is ignored: GitHub's is the SHA-256 of something other than the file.
    init?(_ headers: ResponseHeaders) {
        let found = headers.all.flatMap { Self.digests($0.name, $0.value) }
        guard let best = found.first(where: \.isStrong) ?? found.first else { return nil }
        self = best
    }

    private var isStrong: Bool {
        if case .sha256 = self { return true }
        return false
    }

    private static func digests(_ name: String, _ value: String) -> [PublishedWeights.Checksum] {
        switch name {
        case "x-linked-etag", "etag":
            let tag = value.trimmingCharacters(in: ["\""]).lowercased()
            if name == "x-linked-etag", isHex(tag, digits: 64) { return [.sha256(prefix: tag)] }
            return isHex(tag, digits: 32) ? [.md5(tag)] : []
        case "repr-digest", "digest", "x-goog-hash":
            return value.splitBytes(",").compactMap { part in
                guard let equals = part.utf8.firstIndex(of: UInt8(ascii: "=")) else { return nil }
                let kind = part[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
                let text = part[part.utf8.index(after: equals)...].trimmingCharacters(in: [":", " "])
                if kind == "sha-256" { return hex(text, bytes: 32).map { .sha256(prefix: $0) } }
                return kind == "md5" ? hex(text, bytes: 16).map { .md5($0) } : nil
            }
        case "content-md5": return hex(value, bytes: 16).map { [.md5($0)] } ?? []
        default: return []
        }
    }

    /// Whether the text consists of `digits` lower-case hex digits.
    static func isHex(_ text: some StringProtocol, digits: Int) -> Bool {
        text.utf8.count == digits
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }

    /// Converts base64 to hex.
    private static func hex(_ text: String, bytes: Int) -> String? {
        guard let data = Data(base64Encoded: text), data.count == bytes else { return nil }
        return data.map { String(format: "%02x", $0) }.joined()
    }

    /// As stored in the record beside a partial file; nil if there is none.
    var text: String? {
        switch self {
        case .sha256(let digits): "sha256:" + digits
        case .md5(let digits): "md5:" + digits
        case .stated: nil
        }
    }
}

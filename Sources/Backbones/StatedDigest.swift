import Foundation

/// What a server says of the bytes it sends.
enum StatedDigest: Equatable {
    /// Hex, lower case.
    case sha256(String)
    /// Hex, lower case.
    case md5(String)

    /// The strongest digest that the headers of a transfer state, redirections included: the hub's `X-Linked-ETag`,
    /// `Repr-Digest` and `Digest` (RFC 9530, RFC 3230), Google's `X-Goog-Hash`, `Content-MD5`, or an entity tag that is as
    /// long as a digest, as object stores give it.
    init?(headers: String) {
        let fields = headers.split(whereSeparator: \.isNewline).compactMap { line -> (name: String, value: String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            return (line[..<colon].lowercased(), value)
        }
        let found = fields.flatMap { Self.digests($0.name, $0.value) }
        guard let best = found.first(where: \.isStrong) ?? found.first else { return nil }
        self = best
    }

    private var isStrong: Bool {
        if case .sha256 = self { return true }
        return false
    }

    private static func digests(_ name: String, _ value: String) -> [StatedDigest] {
        switch name {
        case "x-linked-etag", "etag":
            let tag = value.replacing(/^W\//, with: "").trimmingCharacters(in: ["\""]).lowercased()
            if tag.wholeMatch(of: /[0-9a-f]{64}/) != nil { return [.sha256(tag)] }
            return tag.wholeMatch(of: /[0-9a-f]{32}/) != nil ? [.md5(tag)] : []
        case "repr-digest", "digest", "x-goog-hash":
            return value.split(separator: ",").compactMap { part in
                guard let equals = part.firstIndex(of: "=") else { return nil }
                let kind = part[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
                let text = part[part.index(after: equals)...].trimmingCharacters(in: [":", " "])
                if kind == "sha-256" { return hex(text, bytes: 32).map(StatedDigest.sha256) }
                return kind == "md5" ? hex(text, bytes: 16).map(StatedDigest.md5) : nil
            }
        case "content-md5": return hex(value, bytes: 16).map { [.md5($0)] } ?? []
        default: return []
        }
    }

    /// Hex digits of base64.
    private static func hex(_ text: String, bytes: Int) -> String? {
        guard let data = Data(base64Encoded: text), data.count == bytes else { return nil }
        return data.map { String(format: "%02x", $0) }.joined()
    }

    /// As a published checksum.
    var checksum: PublishedWeights.Checksum {
        switch self {
        case .sha256(let digits): .sha256(prefix: digits)
        case .md5(let digits): .md5(digits)
        }
    }
}

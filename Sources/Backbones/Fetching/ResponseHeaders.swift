import Escaping
import Foundation

/// The headers of a transfer including redirects, as `curl --dump-header` writes them.
struct ResponseHeaders {
    /// A header field: lower-case name, and value.
    typealias Field = (name: String, value: String)

    private(set) var status: Int?
    private(set) var all: [Field] = []
    /// The fields of the last response.
    private(set) var last: [Field] = []

    init(_ text: String) {
        for line in text.byteLines() {
            if line.hasBytePrefix("HTTP/") {
                let parts = line.splitBytes(" ")
                status = parts.count > 1 ? Int(parts[1]) : nil
                last = []
            } else if let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) {
                let value = line[line.utf8.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                let field = (line[..<colon].lowercased(), value)
                all.append(field)
                last.append(field)
            }
        }
    }

    /// The validator for `If-Range`: the last response's strong `ETag`, otherwise its `Last-Modified`.
    var validator: String? {
        let tag = last.last { $0.name == "etag" }?.value
        if let tag, tag.hasBytePrefix("\""), Self.isPlain(tag) { return tag }
        return last.last { $0.name == "last-modified" }.map(\.value).flatMap { Self.isPlain($0) ? $0 : nil }
    }

    /// The URL of the last response: `address` after redirects.
    func address(from address: String) -> URL? {
        all.filter { $0.name == "location" }.reduce(URL(string: address)) { URL(string: $1.value, relativeTo: $0) }
    }

    /// Whether a header value is printable ASCII of a reasonable length, so that it may be sent back.
    static func isPlain(_ value: String) -> Bool {
        !value.isEmpty && value.utf8.count <= 256 && value.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}

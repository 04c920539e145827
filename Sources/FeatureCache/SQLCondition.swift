import Foundation

/// Validation of user-written conditions before they are embedded in a statement.
enum SQLCondition {
    /// Maximum length in bytes.
    private static let mostBytes = 10_000

    /// Rejects a condition that closes its enclosing parentheses or the statement, so that the remainder would be
    /// another query, or that uses the statement's parameters. Follows SQLite's tokens: strings in `'`, names in `"`,
    /// backquotes or brackets, comments of both kinds. Throws `ScanError.condition`.
    static func check(_ condition: String) throws(ScanError) {
        guard condition.utf8.count <= mostBytes else {
            throw .condition(condition, reason: "it has more than \(mostBytes) bytes")
        }
        var depth = 0
        var bytes = condition.utf8.makeIterator()
        var byte = bytes.next()
        while let current = byte {
            byte = bytes.next()
            switch current {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"):
                depth -= 1
                if depth < 0 { throw .condition(condition, reason: "it closes a parenthesis that it does not open") }
            case UInt8(ascii: "?"), UInt8(ascii: "$"), UInt8(ascii: "@"), UInt8(ascii: ":"), UInt8(ascii: "#"):
                throw .condition(condition, reason: "it uses a parameter, which cannot be bound")
            case UInt8(ascii: ";"): throw .condition(condition, reason: "it holds a semicolon")
            case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"), UInt8(ascii: "["):
                let end = current == UInt8(ascii: "[") ? UInt8(ascii: "]") : current
                while let next = byte, next != end { byte = bytes.next() }
                if byte == nil { throw .condition(condition, reason: "a quotation does not end") }
                // A doubled quote starts another quotation, which is equivalent here.
                byte = bytes.next()
            case UInt8(ascii: "-") where byte == UInt8(ascii: "-"):
                while let next = byte, next != UInt8(ascii: "\n") { byte = bytes.next() }
            case UInt8(ascii: "/") where byte == UInt8(ascii: "*"):
                var last = UInt8(0)
                byte = bytes.next()
                while let next = byte, !(last == UInt8(ascii: "*") && next == UInt8(ascii: "/")) {
                    last = next
                    byte = bytes.next()
                }
                if byte == nil { throw .condition(condition, reason: "a comment does not end") }
                byte = bytes.next()
            default: break
            }
        }
        if depth > 0 { throw .condition(condition, reason: "a parenthesis is not closed") }
    }
}

package enum ScanError: LocalizedError, Equatable {
    case condition(String, reason: String), otherSize(path: String, stored: Int, question: Int)

    package var errorDescription: String? {
        switch self {
        case .otherSize(let path, let stored, let question):
            "The features in \(path) have \(stored) values, but the query has \(question): they are from different "
                + "backbones. Name the weights that the features were extracted with."
        case .condition(let condition, let reason):
            "--where \"\(condition.prefix(200))\" cannot be used: \(reason). It is SQL over the columns of `video` and "
                + "`sample`, such as label = 'dive' AND duration > 10."
        }
    }
}

/// Comma-separated values (RFC 4180) with a header row, or with another separator, parsed by bytes: Swift would combine
/// a comma after U+0600 with it into one character.
package struct CSVTable {
    /// A quoted field without a closing quote.
    package struct Unterminated: Error {
        /// Line on which the field begins, from 1.
        let line: Int
    }

    /// Column names; empty if the text is empty.
    package let header: [String]
    /// Fields of every record after the header; a blank line is one empty field.
    package let rows: [[String]]

    /// Parses a text, with or without a byte-order mark; records end with a line feed, a carriage return or both.
    package init(_ text: String) throws(Unterminated) {
        let records = try Self.records(text, separator: UInt8(ascii: ","))
        header = records.first ?? []
        rows = Array(records.dropFirst())
    }

    struct Record {
        let line: Int
        let fields: [String]
    }

    /// Extensions of RFC 4180 in lists: comments, spaces before a quoted field, and no text after a multi-line field.
    struct ListRules {
        /// Line number of the text's first line.
        var firstLine = 1
        /// Whether a line that begins with `#` is a comment; the first line never is.
        let isComment: (String) -> Bool
    }

    /// All records of a text with an ASCII separator, including the header. `limit`: maximum number of records.
    static func records(_ text: String, separator: UInt8, limit: Int = .max) throws(Unterminated) -> [[String]] {
        try records(text, separator: separator, limit: limit, rules: nil).map(\.fields)
    }

    /// With the lines on which the records begin, without comments as defined by `rules`. Throws `Unterminated`.
    static func records(
        _ text: String, separator: UInt8, limit: Int = .max, rules: ListRules?
    ) throws(Unterminated) -> [Record] {
        var reader = Reader(Array(text.utf8), separator: separator, rules: rules)
        var records: [Record] = []
        while records.count < limit, let record = reader.record() {
            if let line = reader.unterminated { throw Unterminated(line: line) }
            records.append(record)
        }
        return records
    }

    private struct Reader {
        private static let quote = UInt8(ascii: "\"")
        private let separator: UInt8
        private let bytes: [UInt8]
        private let rules: ListRules?
        private var place, line: Int
        private(set) var unterminated: Int?

        init(_ bytes: [UInt8], separator: UInt8, rules: ListRules?) {
            (self.bytes, self.separator, self.rules) = (bytes, separator, rules)
            line = rules?.firstLine ?? 1
            place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        }

        mutating func record() -> Record? {
            skipComments()
            guard place < bytes.count else { return nil }
            let first = line
            var fields = [field()]
            while place < bytes.count, bytes[place] == separator {
                place += 1
                fields.append(field())
            }
            endLine()
            return Record(line: first, fields: fields)
        }

        private mutating func skipComments() {
            guard let rules else { return }
            while line > rules.firstLine, place < bytes.count {
                let start = place
                skipSpaces()
                guard place < bytes.count, bytes[place] == UInt8(ascii: "#") else {
                    place = start
                    return
                }
                while place < bytes.count, !isLineBreak(bytes[place]) { place += 1 }
                guard rules.isComment(String(decoding: bytes[start..<place], as: UTF8.self)) else {
                    place = start
                    return
                }
                endLine()
            }
        }

        private mutating func skipSpaces() {
            while place < bytes.count, bytes[place] == 0x20 || (bytes[place] == 0x09 && separator != 0x09) {
                place += 1
            }
        }

        private func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

        /// Skips a line break of one or two bytes.
        private mutating func endLine() {
            guard place < bytes.count else { return }
            let isPair = bytes[place] == 0x0D && place + 1 < bytes.count && bytes[place + 1] == 0x0A
            place += isPair ? 2 : 1
            line += 1
        }

        private mutating func field() -> String {
            let start = place
            if rules != nil, separator != 0x20 { skipSpaces() }
            if place < bytes.count && bytes[place] == Self.quote { return quoted() }
            place = start
            return plain()
        }

        private mutating func plain() -> String {
            let start = place
            while place < bytes.count, ![separator, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private mutating func quoted() -> String {
            var content: [UInt8] = []
            let first = line
            place += 1
            while place < bytes.count {
                let byte = bytes[place]
                place += 1
                if byte == Self.quote {
                    guard place < bytes.count, bytes[place] == Self.quote else {
                        // Text between the closing quote and the separator belongs to the field.
                        let rest = plain()
                        // In a list, this is the quote of another field, at which an unbalanced one ends.
                        if rules != nil, line > first, rest.utf8.contains(where: { $0 != 0x20 && $0 != 0x09 }) {
                            unterminated = unterminated ?? first
                        }
                        return String(decoding: content, as: UTF8.self) + rest
                    }
                    place += 1
                }
                if byte == 0x0A || (byte == 0x0D && !(place < bytes.count && bytes[place] == 0x0A)) { line += 1 }
                content.append(byte)
            }
            unterminated = unterminated ?? first
            return String(decoding: content, as: UTF8.self)
        }
    }
}

/// Comma-separated values (RFC 4180) with a header row, or with another separator, read byte by byte: a comma after U+0600 parts
/// two fields, though Swift counts both as one character.
package struct CSVTable {
    /// A field that begins with a quote has no closing one.
    package struct Unterminated: Error {
        /// Of the record that the field is in, from 1.
        let row: Int
    }

    /// Names of the columns; empty if the text is.
    package let header: [String]
    /// Fields of every record after the header; a blank line is one empty field.
    package let rows: [[String]]

    /// Reads a text, with or without a byte-order mark; records end with a line feed, a carriage return or both.
    ///
    /// - Throws: `Unterminated`.
    package init(_ text: String) throws(Unterminated) {
        let records = try Self.records(text, separator: UInt8(ascii: ","))
        header = records.first ?? []
        rows = Array(records.dropFirst())
    }

    /// All records of a text with an ASCII separator, the header among them.
    ///
    /// - Parameter limit: the most records that are read.
    /// - Throws: `Unterminated`.
    static func records(_ text: String, separator: UInt8, limit: Int = .max) throws(Unterminated) -> [[String]] {
        var reader = Reader(Array(text.utf8), separator: separator)
        var records: [[String]] = []
        while records.count < limit, let record = reader.record() {
            if reader.isUnterminated { throw Unterminated(row: records.count + 1) }
            records.append(record)
        }
        return records
    }

    private struct Reader {
        private static let quote = UInt8(ascii: "\"")
        private let separator: UInt8
        private let bytes: [UInt8]
        private var place: Int
        private(set) var isUnterminated = false

        init(_ bytes: [UInt8], separator: UInt8) {
            (self.bytes, self.separator) = (bytes, separator)
            place = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        }

        /// The next record, or nil at the end.
        mutating func record() -> [String]? {
            guard place < bytes.count else { return nil }
            var fields = [field()]
            while place < bytes.count, bytes[place] == separator {
                place += 1
                fields.append(field())
            }
            // One line break of one or two bytes.
            if place < bytes.count {
                let isPair = bytes[place] == 0x0D && place + 1 < bytes.count && bytes[place + 1] == 0x0A
                place += isPair ? 2 : 1
            }
            return fields
        }

        private mutating func field() -> String {
            place < bytes.count && bytes[place] == Self.quote ? quoted() : plain()
        }

        private mutating func plain() -> String {
            let start = place
            while place < bytes.count, ![separator, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private mutating func quoted() -> String {
            var content: [UInt8] = []
            place += 1
            while place < bytes.count {
                let byte = bytes[place]
                place += 1
                if byte == Self.quote {
                    guard place < bytes.count, bytes[place] == Self.quote else {
                        // What stands between the closing quote and the separator belongs to the field.
                        return String(decoding: content, as: UTF8.self) + plain()
                    }
                    place += 1
                }
                content.append(byte)
            }
            isUnterminated = true
            return String(decoding: content, as: UTF8.self)
        }
    }
}

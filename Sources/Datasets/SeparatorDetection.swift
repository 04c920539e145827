import Escaping
import Foundation
import Video

/// Detects the separator of a list and whether its first row is a header.
struct SeparatorDetection {
    enum Separator: Equatable {
        /// An ASCII byte between optionally quoted fields.
        case character(UInt8)
        /// Spaces, and the number of columns in the header row; nil without one.
        case spaces(columns: Int?)
    }

    /// The first line that is neither blank nor a comment; nil if there is none.
    let first: (number: Int, text: String)?
    private(set) var separator = Separator.character(UInt8(ascii: ","))
    /// Whether that line is a header row.
    private(set) var hasHeader = true
    /// Why there are no clips, if there are none.
    let emptiness: String

    private static let characters: [UInt8] = [",", "\t", ";", "|"].map { UInt8(ascii: $0) }

    init(_ text: String, isClip: @escaping (String) -> Bool) {
        let lines = text.byteLines().lazy.enumerated().map { ($0 + 1, $1.trimmingCharacters(in: .whitespaces)) }
        var (found, stated, hasComments) = ((number: Int, text: String)?.none, UInt8?.none, false)
        for (number, line) in lines where !line.isEmpty {
            if found == nil, let byte = Self.declaredSeparator(line) {
                stated = byte
            } else if Self.namesColumns(line) || !Self.isComment(line, isClip) {
                found = (number, line)
                break
            } else {
                hasComments = true
            }
        }
        first = found
        emptiness = text.utf8.isEmpty ? "it is empty" : hasComments ? "it has comments only" : "it has blank lines only"
        if let found { detect(found.text, stated, isClip) }
    }

    /// Excel's first line `sep=;`.
    private static func declaredSeparator(_ line: String) -> UInt8? {
        let bytes = Array(line.lowercased().utf8)
        return bytes.count == 5 && bytes.starts(with: Array("sep=".utf8)) ? bytes.last : nil
    }

    /// Whether a line is a comment for any separator.
    private static func isComment(_ line: String, _ isClip: @escaping (String) -> Bool) -> Bool {
        guard line.hasBytePrefix("#") else { return false }
        return ListTable.isComment(SpaceSeparatedLine(line, isClip: isClip).fields(columns: nil), isClip)
            && characters.allSatisfy { ListTable.isComment(fields(line, $0), isClip) }
    }

    /// Whether a line that looks like a comment is a header row.
    private static func namesColumns(_ line: String) -> Bool {
        let text = String(line.drop { $0 == "#" || $0 == " " })
        return characters.contains { byte in
            let fields = fields(text, byte)
            return fields.count > 1 && ListColumns.known(in: fields) > 1
        }
    }

    private static func fields(_ line: String, _ byte: UInt8) -> [String] {
        let rules = CSVTable.ListRules { _ in false }
        // A quoted field may continue on the next line; the other fields then determine the separator.
        let records = try? CSVTable.records(line, separator: byte, limit: 1, rules: rules)
        return records.map { $0.first?.fields ?? [] }
            ?? line.splitBytes(omittingEmptySubsequences: false) { $0 == byte }.map(String.init)
    }

    private mutating func detect(_ line: String, _ stated: UInt8?, _ isClip: @escaping (String) -> Bool) {
        let line = Self.namesColumns(line) ? String(line.drop { $0 == "#" || $0 == " " }) : line
        let candidates = (stated.map { [$0] } ?? Self.characters).map { (byte: $0, fields: Self.fields(line, $0)) }
        let spaced = SpaceSeparatedLine(line, isClip: isClip)
        func isData(_ fields: [String]) -> Bool { fields.contains { Self.isPath($0, isClip) || Self.isNumber($0) } }

        let named = candidates.map { (byte: $0.byte, fields: $0.fields, known: ListColumns.known(in: $0.fields)) }
        let best = named.max { ($0.known, $0.fields.count) < ($1.known, $1.fields.count) }
        if let best, best.known > 1 || (best.known == 1 && !isData(best.fields) && !isData(spaced.words)) {
            if best.known > 1 || ListColumns.known(in: spaced.words) < 2 {
                separator = .character(best.byte)
                return
            }
        }
        if stated == nil, ListColumns.known(in: spaced.words) > 1 {
            separator = .spaces(columns: spaced.words.count)
            return
        }
        // The first field is certainly a path, or looks like one, or another field is a number.
        let tests: [(String) -> Bool] = [
            { VideoReader.isVideo($0) || isClip($0) }, { Self.isPath($0, isClip) }, { _ in true },
        ]
        for test in tests {
            func isRow(_ fields: [String]) -> Bool {
                fields.count > 1 && isData(fields)
                    && fields.prefix(2).contains { test($0.trimmingCharacters(in: .whitespaces)) }
            }
            if let candidate = candidates.first(where: { isRow($0.fields) }) {
                (separator, hasHeader) = (.character(candidate.byte), false)
                return
            }
            if stated == nil, isRow(spaced.fields(columns: nil)) {
                (separator, hasHeader) = (.spaces(columns: nil), false)
                return
            }
        }
        // An unknown header row: a path alone, or other columns.
        hasHeader = !isData([line])
        if hasHeader, let best { separator = .character(best.byte) }
    }

    private static func isNumber(_ text: String) -> Bool { Double(text.trimmingCharacters(in: .whitespaces)) != nil }

    private static func isPath(_ text: String, _ isClip: (String) -> Bool) -> Bool {
        let text = text.trimmingCharacters(in: .whitespaces)
        return VideoReader.isVideo(text) || text.utf8.contains { $0 == 0x2F || $0 == 0x5C } || isClip(text)
    }
}

/// A line of fields separated by spaces, as in lists of SlowFast and MMAction2: `run/1.mp4 3`, `run/frames 120 3`.
/// Paths and labels may contain spaces too.
struct SpaceSeparatedLine {
    private let text: String
    private let isClip: (String) -> Bool
    /// Separated by spaces and tabs; a quoted field is one word.
    let words: [String]
    /// Whether a quoted field has no closing quote.
    let isUnterminated: Bool

    /// Whether the line begins with an unquoted `#`.
    var isMarked: Bool { text.hasBytePrefix("#") }

    init(_ text: some StringProtocol, isClip: @escaping (String) -> Bool) {
        self.text = text.trimmingCharacters(in: .whitespaces)
        self.isClip = isClip
        let plain = self.text.replacingBytes("\t", with: " ")
        let records = try? CSVTable.records(plain, separator: UInt8(ascii: " "), limit: 1)
        isUnterminated = records == nil
        let fields = records?.first
        words = (fields ?? plain.splitBytes(" ").map(String.init)).filter { !$0.isEmpty }
    }

    /// Path and label, or path, number of frames and label; every word if a header row has more than two columns.
    func fields(columns: Int?) -> [String] {
        guard columns ?? 2 == 2, words.count > 2, !text.hasBytePrefix("\"") else { return words }
        let ends = (1..<words.count).map { Array(words.prefix($0)) }
        // A path ends at its first word with a video extension.
        if let path = ends.first(where: { VideoReader.isVideo($0.last ?? "") }) { return split(after: path.count) }
        let numbers = words.reversed().prefix { Int($0) != nil }.count
        let counts = numbers > 1 ? [words.count - 1, words.count - 2] : Array((1..<words.count).reversed())
        if let known = counts.first(where: { isClip(words.prefix($0).joined(separator: " ")) }) {
            return split(after: known)
        }
        if VideoReader.isVideo(text), let label = words.first {
            return [label, words.dropFirst().joined(separator: " ")]
        }
        return split(after: numbers > 1 ? words.count - 2 : numbers == 1 ? words.count - 1 : 1)
    }

    /// The first `count` words are the path, the others numbers or one label.
    private func split(after count: Int) -> [String] {
        let path = words.prefix(count).joined(separator: " ")
        let others = Array(words.dropFirst(count))
        return others.allSatisfy { Int($0) != nil } ? [path] + others : [path, others.joined(separator: " ")]
    }
}

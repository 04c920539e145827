import Escaping
import Reports

/// Text for the terminal. Literals are trusted; every interpolated value may come from a file, a cache or the command
/// line and is escaped completely, newlines included, so that no name can move the cursor or forge a line.
struct TerminalText: ExpressibleByStringInterpolation {
    let text: String

    init(stringLiteral value: String) { text = value }
    init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    /// Lines assembled from escaped parts, such as a `TextTable`: everything except newlines is escaped.
    init(lines: String) { text = Escaping.visible(lines, keepingLines: true) }

    init(joining parts: [TerminalText], separator: TerminalText) {
        text = parts.map(\.text).joined(separator: separator.text)
    }

    private init(escaped: String) { text = escaped }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(2 * literalCapacity) }
        mutating func appendLiteral(_ literal: String) { text += literal }
        mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            text += Escaping.visible("\(value)")
        }
        mutating func appendInterpolation(_ value: TerminalText) { text += value.text }
        mutating func appendInterpolation(lines: String) { text += TerminalText(lines: lines).text }
    }

    static func + (first: TerminalText, second: TerminalText) -> TerminalText {
        TerminalText(escaped: first.text + second.text)
    }

    @_disfavoredOverload
    static func + (first: TerminalText, second: String) -> TerminalText {
        TerminalText(escaped: first.text + Escaping.visible(second))
    }
}

extension TextTable {
    /// - Precondition: every row has as many cells as there are columns.
    init(_ columns: [(heading: String, alignment: Alignment)], rows: [[String]]) {
        self.init(columns)
        for row in rows { append(row) }
    }
}

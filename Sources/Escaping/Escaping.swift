/// Escapes text for its output format. Every function works on Unicode scalars or bytes, never on `Character`: a
/// grapheme cluster such as U+0600 followed by an apostrophe, or `<` followed by U+0301, is not equal to the ASCII
/// character it contains and would not be escaped.
package enum Escaping {
    /// Text for a terminal or a log: C0, C1 and bidirectional controls and line separators are shown as `\u{…}`, so
    /// that a name can neither move the cursor nor start a line of its own. `keepingLines`: if true, newlines stay, for
    /// text of several lines whose parts were escaped before.
    package static func visible(_ text: String, keepingLines: Bool = false) -> String {
        guard text.unicodeScalars.contains(where: { isControl($0) && !(keepingLines && $0 == "\n") }) else {
            return text
        }
        return replacing(text) { scalar in isControl(scalar) && !(keepingLines && scalar == "\n") ? shown(scalar) : nil
        }
    }

    /// Text for an HTML or SVG element or a quoted attribute. Controls other than tab and newline become visible.
    package static func html(_ text: String) -> String {
        replacing(text) { scalar in
            switch scalar {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&quot;"
            case "'": "&#39;"
            case "`": "&#96;"
            case "\n", "\t": nil
            default: isControl(scalar) ? shown(scalar) : nil
            }
        }
    }

    /// JSON that may stand in a `<script>` element or be printed on a terminal: `<`, `>`, `&` and every control but the
    /// newline is written as `\uXXXX`, which JSON readers turn back into the same text. `text`: valid JSON; outside of
    /// its strings these characters do not occur.
    package static func json(_ text: String) -> String {
        replacing(text) { scalar in
            switch scalar {
            case "<", ">", "&": unicodeEscape(scalar)
            case "\n": nil
            default: isControl(scalar) ? unicodeEscape(scalar) : nil
            }
        }
    }

    /// One field of comma-separated values (RFC 4180), quoted if it contains a comma, a quote or a line break.
    package static func csv(_ field: String) -> String {
        let special = [UInt8(ascii: ","), UInt8(ascii: "\""), UInt8(ascii: "\n"), UInt8(ascii: "\r")]
        guard field.utf8.contains(where: special.contains) else { return field }
        return "\"" + replacing(field) { $0 == "\"" ? "\"\"" : nil } + "\""
    }

    /// A gnuplot string constant in double quotes that contains only letters, digits, spaces and octal escapes: none of
    /// gnuplot's own characters (quotes, backquotes, `@`, `$`, `%`, `#`, newlines) reaches its parser. Control, format
    /// and backquote characters become U+FFFD before they are encoded: no chart needs them. `isFormat`: if true, `%` is
    /// doubled, for texts such as tics that gnuplot takes for a number format.
    package static func gnuplot(_ text: String, isFormat: Bool = false) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            let isDrawn = !isControl(scalar) && scalar.properties.generalCategory != .format && scalar != "`"
            for byte in String(isDrawn ? scalar : "\u{FFFD}").utf8 {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: " "):
                    result.unicodeScalars.append(Unicode.Scalar(byte))
                default:
                    result += octal(byte)
                    if isFormat, byte == UInt8(ascii: "%") { result += octal(byte) }
                }
            }
        }
        return result + "\""
    }

    /// Whether a terminal, a browser or a log may act on the scalar instead of showing it: C0, DEL, C1, bidirectional
    /// controls (UAX #9) and the line and paragraph separators.
    package static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0...0x1F, 0x7F...0x9F, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    /// Whether text may name a file that this program makes: one component, not hidden, at most 200 bytes, no controls.
    package static func canNameFile(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 200 && !text.utf8.contains(UInt8(ascii: "/")) && !text.hasBytePrefix(".")
            && !hasControls(text)
    }

    /// Whether text has a scalar for which `isControl` is true.
    package static func hasControls(_ text: String) -> Bool { text.unicodeScalars.contains(where: isControl) }

    private static func shown(_ scalar: Unicode.Scalar) -> String { "\\u{" + String(scalar.value, radix: 16) + "}" }

    private static func unicodeEscape(_ scalar: Unicode.Scalar) -> String {
        // All escaped characters are in the basic multilingual plane.
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    /// gnuplot reads four octal digits behind a backslash if the first is 0, otherwise three.
    private static func octal(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 8)
        return "\\" + (digits.utf8.count == 3 ? digits : String(repeating: "0", count: 4 - digits.utf8.count) + digits)
    }

    private static func replacing(_ text: String, _ replacement: (Unicode.Scalar) -> String?) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if let other = replacement(scalar) {
                result.append(contentsOf: other.unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}

import Escaping

/// Comma-separated values (RFC 4180 with line feeds as line ends).
package enum CSV {
    /// One line with its line feed; fields with a comma, a quote or a line break are quoted.
    package static func line(_ fields: [String]) -> String { fields.map(Escaping.csv).joined(separator: ",") + "\n" }

    package static func text(_ header: [String], _ lines: [[String]]) -> String {
        ([header] + lines).map(line).joined()
    }
}

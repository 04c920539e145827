import Escaping

/// Comma-separated values (RFC 4180, lines end with a line feed).
public enum CSV {
    /// A line with its end; fields that hold a comma, a quote or a line break are quoted.
    public static func line(_ fields: [String]) -> String { fields.map(Escaping.csv).joined(separator: ",") + "\n" }

    /// Lines, the header first.
    public static func text(_ header: [String], _ lines: [[String]]) -> String {
        ([header] + lines).map(line).joined()
    }
}

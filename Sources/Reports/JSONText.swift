import Foundation

/// JSON as every command prints it: indented, keys sorted, numbers that are none as `"nan"`, `"inf"`, `"-inf"`.
public enum JSONText {
    /// - `keys`: how properties are named.
    /// - Throws: `EncodingError`.
    public static func of(
        _ value: some Encodable, keys: JSONEncoder.KeyEncodingStrategy = .useDefaultKeys
    ) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = keys
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

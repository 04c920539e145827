import Foundation

/// Limits of JSON text from files. One pass over the bytes measures the text before a parser recurses into it or builds
/// objects, which take a hundred times the memory of the text.
public enum JSONLimits {
    /// What a JSON text contains, outside of its strings.
    public struct Size: Equatable, Sendable {
        /// The deepest nesting of lists and objects.
        public fileprivate(set) var depth = 0
        /// Objects.
        public fileprivate(set) var objects = 0
        /// Objects, lists, their elements and keys, at least.
        public fileprivate(set) var values = 0
        /// Whether a byte is 0, which no JSON text in UTF-8 contains: it is UTF-16 or no text.
        public fileprivate(set) var hasZeroBytes = false
    }

    /// The deepest nesting that is read.
    public static let depth = 64
    /// The most values of a configuration file that are read.
    public static let values = 1_000_000
    /// The most bytes of a configuration file that are read.
    public static let fileBytes = 64 << 20

    /// Measures a text in one pass; says nothing about whether it is valid.
    public static func size(_ data: Data) -> Size {
        var size = Size()
        data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
            var (level, isString, isEscaped) = (0, false, false)
            for byte in bytes {
                if byte == 0 { size.hasZeroBytes = true }
                if isString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isString = false
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: "\""): isString = true
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    level += 1
                    size.values += 1
                    size.objects += byte == UInt8(ascii: "{") ? 1 : 0
                    size.depth = max(size.depth, level)
                case UInt8(ascii: "]"), UInt8(ascii: "}"): level -= 1
                case UInt8(ascii: ","), UInt8(ascii: ":"): size.values += 1
                default: break
                }
            }
        }
        return size
    }

    /// Why a text must not be given to a parser, such as `its JSON is nested more than 64 levels deep`; nil if it may.
    public static func problem(_ data: Data, depth: Int = depth, values: Int = values) -> String? {
        let size = size(data)
        if size.hasZeroBytes { return "it is not JSON in UTF-8" }
        if size.depth > depth { return "its JSON is nested more than \(depth) levels deep" }
        return size.values > values ? "its JSON has more than \(values) values" : nil
    }
}

extension RegularFile {
    /// The content of a JSON file whose size, depth and number of values are within the limits.
    ///
    /// - Throws: `FileError`.
    public static func json(
        _ path: String, limit: Int = JSONLimits.fileBytes, values: Int = JSONLimits.values
    ) throws(FileError) -> Data {
        let data = try contents(path, limit: limit)
        if let reason = JSONLimits.problem(data, values: values) {
            throw FileError(path: path, problem: .unreadable(reason))
        }
        return data
    }
}

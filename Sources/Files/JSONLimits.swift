import Foundation

/// Limits on JSON from files. One pass over the bytes measures the text before a parser recurses into it or builds
/// objects, which take a hundred times the memory of the text.
package enum JSONLimits {
    /// What a JSON text contains, outside of its strings.
    package struct Size: Equatable, Sendable {
        /// Maximum nesting of arrays and objects.
        package fileprivate(set) var depth = 0
        package fileprivate(set) var objects = 0
        /// Number of objects, arrays, elements and keys.
        package fileprivate(set) var values = 0
        /// Whether there is a zero byte, which JSON in UTF-8 cannot contain: it is UTF-16, or not text.
        package fileprivate(set) var hasZeroBytes = false
    }

    /// Maximum nesting that is parsed.
    package static let depth = 64
    /// Maximum number of values of a configuration file.
    package static let values = 1_000_000
    /// Maximum bytes of a configuration file.
    package static let fileBytes = 64 << 20

    /// Measures a text in one pass without validating it.
    package static func size(_ data: Data) -> Size {
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

    /// Why a text must not be parsed, such as `its JSON is nested more than 64 levels deep`, or nil.
    package static func problem(_ data: Data, depth: Int = depth, values: Int = values) -> String? {
        let size = size(data)
        if size.hasZeroBytes { return "it is not JSON in UTF-8" }
        if size.depth > depth { return "its JSON is nested more than \(depth) levels deep" }
        return size.values > values ? "its JSON has more than \(values) values" : nil
    }
}

extension RegularFile {
    /// Reads a JSON file with limits on size, depth and number of values. Throws `FileError`.
    package static func json(
        _ path: String, limit: Int = JSONLimits.fileBytes, values: Int = JSONLimits.values
    ) throws(FileError) -> Data {
        let data = try contents(path, limit: limit)
        if let reason = JSONLimits.problem(data, values: values) {
            throw FileError(path: path, problem: .unreadable(reason))
        }
        return data
    }
}

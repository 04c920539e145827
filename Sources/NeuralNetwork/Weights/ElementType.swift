import Foundation

/// How numbers are stored in a weight file, little-endian. All become `Float`.
enum ElementType: Sendable {
    case float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8

    var bytes: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .int8, .uint8: 1
        }
    }

    /// The numbers that `bytes` hold.
    func floats(_ bytes: Data) -> [Float] {
        func map<Stored>(_: Stored.Type, _ convert: (Stored) -> Float) -> [Float] {
            bytes.withUnsafeBytes { raw in
                (0..<raw.count / MemoryLayout<Stored>.size).map {
                    convert(raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Stored>.size, as: Stored.self))
                }
            }
        }
        switch self {
        case .float32:
            return [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
                count = bytes.count / 4
                bytes.copyBytes(to: UnsafeMutableRawBufferPointer(buffer), count: count * 4)
            }
        case .float64: return map(Double.self) { Float($0) }
        case .float16: return map(UInt16.self, Self.half)
        case .bfloat16: return map(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .int64: return map(Int64.self) { Float($0) }
        case .int32: return map(Int32.self) { Float($0) }
        case .int16: return map(Int16.self) { Float($0) }
        case .int8: return map(Int8.self) { Float($0) }
        case .uint8: return map(UInt8.self) { Float($0) }
        }
    }

    /// IEEE 754 binary16, by hand because `Float16` does not exist on every platform.
    private static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits & 0x8000 == 0 ? 1 : -1
        let exponent = Int(bits >> 10) & 0x1F
        let fraction = Float(bits & 0x3FF)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 0x1F: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
        }
    }
}

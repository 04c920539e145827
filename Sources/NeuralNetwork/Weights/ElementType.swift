import Foundation

/// Element types of weight files, little-endian. All are converted to `Float`.
enum ElementType: Sendable {
    case float64, float32, float16, bfloat16, int64, int32, int16, int8, uint8, uint16, uint32, uint64
    /// E4M3 without infinities, and E5M2 as in IEEE 754.
    case float8e4m3fn, float8e5m2
    /// Recognised, but not read as tensors.
    case complex64, complex128

    var bytes: Int {
        switch self {
        case .complex128: 16
        case .float64, .int64, .uint64, .complex64: 8
        case .float32, .int32, .uint32: 4
        case .float16, .bfloat16, .int16, .uint16: 2
        case .int8, .uint8, .float8e4m3fn, .float8e5m2: 1
        }
    }

    var isComplex: Bool { self == .complex64 || self == .complex128 }

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
        case .float16: return map(UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: return map(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .int64: return map(Int64.self) { Float($0) }
        case .int32: return map(Int32.self) { Float($0) }
        case .int16: return map(Int16.self) { Float($0) }
        case .int8: return map(Int8.self) { Float($0) }
        case .uint8: return map(UInt8.self) { Float($0) }
        case .uint16: return map(UInt16.self) { Float($0) }
        case .uint32: return map(UInt32.self) { Float($0) }
        case .uint64: return map(UInt64.self) { Float($0) }
        case .float8e5m2: return map(UInt8.self) { Float(Float16(bitPattern: UInt16($0) << 8)) }
        case .float8e4m3fn: return map(UInt8.self, Self.e4m3)
        case .complex64, .complex128: return []
        }
    }

    private static func e4m3(_ bits: UInt8) -> Float {
        let sign: Float = bits & 0x80 == 0 ? 1 : -1
        let exponent = Int(bits >> 3) & 0xF
        let fraction = Float(bits & 0x7)
        if bits & 0x7F == 0x7F { return .nan }
        return exponent == 0
            ? sign * fraction * 0x1p-9
            : sign * (8 + fraction) * Float(sign: .plus, exponent: exponent - 10, significand: 1)
    }
}

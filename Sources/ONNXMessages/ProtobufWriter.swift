import Foundation

/// Serialises fields. Empty and zero values are omitted, because they are the defaults.
struct ProtobufWriter {
    var data = Data()

    mutating func write(_ number: Int, _ value: some BinaryInteger, always: Bool = false) {
        if value == 0 && !always { return }
        tag(number, 0)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func write(_ number: Int, _ value: Float) {
        if value.bitPattern == 0 { return }
        tag(number, 5)
        fixed(value.bitPattern)
    }

    /// A message, even if it is empty.
    mutating func write(_ number: Int, _ message: some ProtobufMessage) {
        tag(number, 2)
        // The length is inserted afterwards: weights are moved, but not held twice.
        let start = data.count
        var (message, fields) = (message, ProtobufFields())
        swap(&fields.writer, &self)
        message.code(&fields)
        swap(&fields.writer, &self)
        var length = ProtobufWriter()
        length.varint(UInt64(data.count - start))
        data.insert(contentsOf: length.data, at: start)
    }

    mutating func write(_ number: Int, _ values: [some BinaryInteger]) {
        packed(number, values) { $0.varint(UInt64(bitPattern: Int64($1))) }
    }

    mutating func packed<Value>(_ number: Int, _ values: [Value], _ write: (inout Self, Value) -> Void) {
        if values.isEmpty { return }
        var inner = ProtobufWriter()
        for value in values { write(&inner, value) }
        bytes(number, inner.data)
    }

    private mutating func tag(_ number: Int, _ type: UInt64) { varint(UInt64(number) << 3 | type) }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            data.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        data.append(UInt8(rest))
    }

    mutating func fixed(_ bits: some FixedWidthInteger) {
        withUnsafeBytes(of: bits.littleEndian) { data.append(contentsOf: $0) }
    }

    mutating func bytes(_ number: Int, _ value: Data) {
        tag(number, 2)
        varint(UInt64(value.count))
        data.append(value)
    }
}

import Foundation

/// A protocol buffers message, as far as ONNX needs them. Unknown fields are skipped.
package protocol ProtobufMessage: Sendable {
    init()
    /// Passes each field with its number, in the order in which they are written.
    mutating func code(_ fields: inout ProtobufFields)
}

extension ProtobufMessage {
    /// Parses a message. Large byte fields share memory with `data`. Throws `ProtobufError`.
    package init(serializedBytes data: Data) throws {
        self.init()
        try merge(data, depth: 0, ProtobufCount())
    }

    package func serializedData() -> Data {
        var (message, fields) = (self, ProtobufFields())
        message.code(&fields)
        return fields.writer.data
    }

    fileprivate mutating func merge(_ data: Data, depth: Int, _ count: ProtobufCount) throws {
        // The recursion limit of Google's parsers.
        guard depth < 100 else { throw ProtobufError.malformed }
        var reader = ProtobufReader(data)
        while let (number, value) = try reader.field() {
            if case .bytes = value { try count.increase() }
            var fields = ProtobufFields(ProtobufField(number: number, value: value, depth: depth, count: count))
            code(&fields)
            if let failure = fields.failure { throw failure }
        }
    }
}

package enum ProtobufError: Error {
    case malformed
    /// More messages, strings and byte fields than the limit.
    case tooManyFields(limit: Int)
}

/// Counts nested messages and strings: an empty message takes two bytes in a file and a hundred in memory.
final class ProtobufCount {
    /// Maximum number of messages, strings and byte fields.
    private static let most = 2_000_000
    private var count = 0

    func increase() throws {
        count += 1
        if count > Self.most { throw ProtobufError.tooManyFields(limit: Self.most) }
    }
}

struct ProtobufField {
    enum Value {
        case integer(UInt64)
        /// A 64-bit value, such as a `double`.
        case eight(UInt64)
        /// A 32-bit value, such as a `float`.
        case four(UInt32)
        case bytes(Data)
    }

    let number: Int
    let value: Value
    let depth: Int
    let count: ProtobufCount

    func integer() throws -> Int64 {
        guard case .integer(let bits) = value else { throw ProtobufError.malformed }
        return Int64(bitPattern: bits)
    }

    /// A 32-bit integer; larger ones are truncated, as in Google's parsers.
    func integer32() throws -> Int32 { Int32(truncatingIfNeeded: try integer()) }

    func float() throws -> Float {
        guard case .four(let bits) = value else { throw ProtobufError.malformed }
        return Float(bitPattern: bits)
    }

    func bytes() throws -> Data {
        guard case .bytes(let data) = value else { throw ProtobufError.malformed }
        return data
    }

    func text() throws -> String {
        guard let text = String(data: try bytes(), encoding: .utf8) else { throw ProtobufError.malformed }
        return text
    }

    func message<Message: ProtobufMessage>(_: Message.Type = Message.self) throws -> Message {
        var message = Message()
        try merge(into: &message)
        return message
    }

    /// Merges into a message of which a part may have been read before.
    func merge(into message: inout some ProtobufMessage) throws {
        try message.merge(try bytes(), depth: depth + 1, count)
    }

    /// One integer, or a packed list.
    func append(to list: inout [Int64]) throws {
        if case .integer = value { return list.append(try integer()) }
        var reader = ProtobufReader(try bytes())
        while !reader.isAtEnd { list.append(Int64(bitPattern: try reader.varint())) }
    }

    func append(to list: inout [Int32]) throws {
        var wide: [Int64] = []
        try append(to: &wide)
        list += wide.map { Int32(truncatingIfNeeded: $0) }
    }

    func append(to list: inout [Float]) throws {
        if case .four = value { return list.append(try float()) }
        list += try packed(UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
    }

    func append(to list: inout [Double]) throws {
        if case .eight(let bits) = value { return list.append(Double(bitPattern: bits)) }
        list += try packed(UInt64.self).map { Double(bitPattern: UInt64(littleEndian: $0)) }
    }

    private func packed<Bits: FixedWidthInteger>(_: Bits.Type) throws -> [Bits] {
        let data = try bytes()
        guard data.count % MemoryLayout<Bits>.size == 0 else { throw ProtobufError.malformed }
        return [Bits](unsafeUninitializedCapacity: data.count / MemoryLayout<Bits>.size) { buffer, count in
            _ = data.copyBytes(to: buffer)
            count = data.count / MemoryLayout<Bits>.size
        }
    }
}

private struct ProtobufReader {
    private let data: Data
    private var position: Data.Index

    init(_ data: Data) {
        self.data = data
        position = data.startIndex
    }

    var isAtEnd: Bool { position == data.endIndex }

    mutating func field() throws -> (Int, ProtobufField.Value)? {
        if isAtEnd { return nil }
        let tag = try varint()
        guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw ProtobufError.malformed }
        let value: ProtobufField.Value
        switch tag & 7 {
        case 0: value = .integer(try varint())
        case 1: value = .eight(try fixed(UInt64.self))
        case 2:
            let count = try varint()
            guard count <= UInt64(data.endIndex - position) else { throw ProtobufError.malformed }
            value = .bytes(data[position..<position + Int(count)])
            position += Int(count)
        case 5: value = .four(try fixed(UInt32.self))
        default: throw ProtobufError.malformed
        }
        return (Int(tag >> 3), value)
    }

    /// Seven bits per byte, lowest first.
    mutating func varint() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            guard position < data.endIndex else { break }
            let byte = data[position]
            position += 1
            value |= UInt64(byte & 0x7f) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw ProtobufError.malformed
    }

    private mutating func fixed<Bits: FixedWidthInteger>(_: Bits.Type) throws -> Bits {
        let size = MemoryLayout<Bits>.size
        guard data.endIndex - position >= size else { throw ProtobufError.malformed }
        defer { position += size }
        return data[position..<position + size].reversed().reduce(0) { $0 << 8 | Bits($1) }
    }
}

/// Reads one field of a message, or writes all of them.
package struct ProtobufFields {
    var writer = ProtobufWriter()
    fileprivate private(set) var failure: (any Error)?
    /// The field that is read; nil while fields are written.
    private let field: ProtobufField?

    init(_ field: ProtobufField? = nil) { self.field = field }

    package func reads(_ number: Int) -> Bool { field?.number == number }

    private mutating func code(
        _ number: Int, _ read: (ProtobufField) throws -> Void, _ write: (inout ProtobufWriter) -> Void
    ) {
        guard let field else { return write(&writer) }
        if field.number != number { return }
        do { try read(field) } catch { failure = error }
    }

    /// `always`: whether 0 is written too.
    package mutating func callAsFunction(_ number: Int, _ value: inout Int64, always: Bool = false) {
        code(number, { value = try $0.integer() }, { $0.write(number, value, always: always) })
    }

    /// `unknown`: what numbers without a case are read as.
    package mutating func callAsFunction<E: RawRepresentable<Int32>>(_ number: Int, _ value: inout E, unknown: E) {
        code(number, { value = E(rawValue: try $0.integer32()) ?? unknown }, { $0.write(number, value.rawValue) })
    }

    /// At most one message; the last one counts.
    package mutating func callAsFunction<M: ProtobufMessage>(_ number: Int, only messages: inout [M]) {
        code(number, { messages = [try $0.message()] }, { for message in messages { $0.write(number, message) } })
    }

    package mutating func callAsFunction<M: ProtobufMessage>(_ number: Int, _ messages: inout [M]) {
        code(number, { messages.append(try $0.message()) }, { for message in messages { $0.write(number, message) } })
    }

    package mutating func callAsFunction(_ n: Int, _ message: inout some ProtobufMessage) {
        code(n, { try $0.merge(into: &message) }, { $0.write(n, message) })
    }

    package mutating func callAsFunction(_ n: Int, _ value: inout Int32) {
        code(n, { value = try $0.integer32() }, { $0.write(n, value) })
    }

    package mutating func callAsFunction(_ n: Int, _ value: inout Bool) {
        code(n, { value = try $0.integer() != 0 }, { $0.write(n, value ? 1 : 0) })
    }

    package mutating func callAsFunction(_ n: Int, _ value: inout Float) {
        code(n, { value = try $0.float() }, { $0.write(n, value) })
    }

    package mutating func callAsFunction(_ n: Int, _ value: inout String) {
        code(n, { value = try $0.text() }, { if !value.isEmpty { $0.bytes(n, Data(value.utf8)) } })
    }

    package mutating func callAsFunction(_ n: Int, _ value: inout Data) {
        code(n, { value = try $0.bytes() }, { if !value.isEmpty { $0.bytes(n, value) } })
    }

    // Empty strings and byte fields of a list are written: their positions matter.
    package mutating func callAsFunction(_ n: Int, _ values: inout [String]) {
        code(n, { values.append(try $0.text()) }, { for value in values { $0.bytes(n, Data(value.utf8)) } })
    }

    package mutating func callAsFunction(_ n: Int, _ values: inout [Data]) {
        code(n, { values.append(try $0.bytes()) }, { for value in values { $0.bytes(n, value) } })
    }

    package mutating func callAsFunction(_ n: Int, _ values: inout [Int64]) {
        code(n, { try $0.append(to: &values) }, { $0.write(n, values) })
    }

    package mutating func callAsFunction(_ n: Int, _ values: inout [Int32]) {
        code(n, { try $0.append(to: &values) }, { $0.write(n, values) })
    }

    package mutating func callAsFunction(_ n: Int, _ values: inout [Float]) {
        code(n, { try $0.append(to: &values) }, { $0.packed(n, values) { $0.fixed($1.bitPattern) } })
    }

    package mutating func callAsFunction(_ n: Int, _ values: inout [Double]) {
        code(n, { try $0.append(to: &values) }, { $0.packed(n, values) { $0.fixed($1.bitPattern) } })
    }
}

/// Whether all bytes are the fields of one message.
package func isProtobufMessage(_ data: Data) -> Bool {
    var reader = ProtobufReader(data)
    do { while try reader.field() != nil {} } catch { return false }
    return !data.isEmpty
}

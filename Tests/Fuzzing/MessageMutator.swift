/// Splits protocol buffers into fields, changes some of them, and encodes them again with consistent lengths:
/// this reaches deeper into a reader than changed bytes.
struct WireMessage {
    struct Field {
        var number: UInt64
        var value: Value
    }

    enum Value { case varint(UInt64), fixed64([UInt8]), fixed32([UInt8]), bytes([UInt8]), message(WireMessage) }

    var fields: [Field] = []

    /// Nil if the bytes are no message.
    init?(_ bytes: ArraySlice<UInt8>, depth: Int = 0) {
        var rest = bytes
        while !rest.isEmpty {
            guard let tag = Self.varint(&rest), tag >> 3 > 0, tag >> 3 < 1 << 20 else { return nil }
            switch tag & 7 {
            case 0:
                guard let value = Self.varint(&rest) else { return nil }
                fields.append(Field(number: tag >> 3, value: .varint(value)))
            case 1, 5:
                let count = tag & 7 == 1 ? 8 : 4
                guard rest.count >= count else { return nil }
                let value = Array(rest.prefix(count))
                fields.append(Field(number: tag >> 3, value: count == 8 ? .fixed64(value) : .fixed32(value)))
                rest = rest.dropFirst(count)
            case 2:
                guard let count = Self.varint(&rest), count <= UInt64(rest.count) else { return nil }
                let own = rest.prefix(Int(count))
                // Strings may look like messages; changing them as messages only gives other strings.
                let message = depth < 8 && own.count > 1 ? WireMessage(own, depth: depth + 1) : nil
                fields.append(Field(number: tag >> 3, value: message.map(Value.message) ?? .bytes(Array(own))))
                rest = rest.dropFirst(Int(count))
            default: return nil
            }
        }
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            if shift < 64 { value |= UInt64(byte & 0x7F) << shift }
            if byte < 0x80 { return value }
        }
        return nil
    }

    var bytes: [UInt8] {
        var result: [UInt8] = []
        func append(_ number: UInt64) {
            var rest = number
            while rest >= 0x80 {
                result.append(UInt8(truncatingIfNeeded: rest) | 0x80)
                rest >>= 7
            }
            result.append(UInt8(rest))
        }
        for field in fields {
            let (kind, content): (UInt64, [UInt8]) =
                switch field.value {
                case .varint: (0, [])
                case .fixed64(let bytes): (1, bytes)
                case .bytes(let bytes): (2, bytes)
                case .message(let message): (2, message.bytes)
                case .fixed32(let bytes): (5, bytes)
                }
            append(field.number << 3 | kind)
            if case .varint(let value) = field.value { append(value) }
            if kind == 2 { append(UInt64(content.count)) }
            result += content
        }
        return result
    }
}

extension Mutator {
    private static let varints: [UInt64] = [
        0, 1, 2, 3, 7, 10, 11, 13, 16, 64, 255, 4096, 1 << 16, 1 << 31, 1 << 32, 1 << 40, 1 << 62, .max, .max - 1,
        1 << 63, (1 << 63) - 1,
    ]

    /// One to four changes to fields of a message.
    mutating func mutate(message bytes: [UInt8], others: [[UInt8]], words: [String]) -> [UInt8] {
        guard var message = WireMessage(bytes[...]) else { return mutate(bytes, others: others, words: words) }
        for _ in 0...(next() % 4) { change(&message, words, depth: 0) }
        return message.bytes
    }

    private mutating func change(_ message: inout WireMessage, _ words: [String], depth: Int) {
        guard !message.fields.isEmpty else { return }
        let place = Int(next() % UInt64(message.fields.count))
        if case .message(var inner) = message.fields[place].value, depth == 0 || next() % 8 > 0 {
            change(&inner, words, depth: depth + 1)
            message.fields[place].value = .message(inner)
            return
        }
        switch next() % 10 {
        case 0: message.fields.remove(at: place)
        case 1: message.fields.append(message.fields[place])
        case 2: message.fields[place].number = next() % 24 + 1
        case 3: message.fields.swapAt(place, Int(next() % UInt64(message.fields.count)))
        case 4: message.fields[place].value = .varint(choice(of: Self.varints))
        case 5:
            message.fields.insert(
                .init(number: message.fields[place].number, value: .varint(choice(of: Self.varints))), at: place)
        default: message.fields[place].value = changed(message.fields[place].value, words)
        }
    }

    private mutating func changed(_ value: WireMessage.Value, _ words: [String]) -> WireMessage.Value {
        switch value {
        case .varint: return .varint(choice(of: Self.varints))
        case .fixed64:
            return .fixed64(choice(of: [[UInt8](repeating: 255, count: 8), [UInt8](repeating: 0, count: 8)]))
        case .fixed32:
            return .fixed32(
                choice(of: [[0, 0, 0xC0, 0x7F], [0, 0, 0x80, 0x7F], [0, 0, 0, 0], [0xFF, 0xFF, 0x7F, 0xFF]]))
        case .message(let message): return .message(message)
        case .bytes(var bytes):
            switch next() % 5 {
            case 0: return .bytes([])
            case 1 where !words.isEmpty: return .bytes(Array(choice(of: words).utf8))
            case 2: return .bytes(Array(bytes.dropLast(Int(next() % 9))))
            case 3: return .bytes(bytes + bytes.prefix(16))
            default:
                guard !bytes.isEmpty else { return .bytes([UInt8](repeating: 255, count: 10)) }
                let number = choice(of: Self.varints)
                let place = Int(next() % UInt64(bytes.count))
                for index in 0..<8 where place + index < bytes.count {
                    bytes[place + index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index))
                }
                return .bytes(bytes)
            }
        }
    }
}

import Datasets

/// Damages files as faults do, and as attackers would. The same seed damages
/// the same files in the same way on every machine.
package struct Mutator: Sendable {
    private var random: SplitMix64

    package init(seed: UInt64) { random = SplitMix64(seed: seed) }

    package mutating func next() -> UInt64 { random.next() }

    private mutating func below(_ count: Int) -> Int { count > 0 ? Int(next() % UInt64(count)) : 0 }

    private static let numbers: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40,
        0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max,
    ]

    /// One to eight changes to `bytes`; pieces of `others` and complete `words` are inserted.
    package mutating func mutate(_ bytes: [UInt8], others: [[UInt8]], words: [String] = []) -> [UInt8] {
        var bytes = bytes
        for _ in 0...below(8) { change(&bytes, others, words) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ others: [[UInt8]], _ words: [String]) {
        // Headers are at the beginning or at the end more often than in between.
        let span = [bytes.count, min(bytes.count, 512), min(bytes.count, 4096)][below(3)]
        let place = below(5) == 0 ? max(0, bytes.count - 1 - below(span)) : below(span)
        let length = below([4, 32, 1024][below(3)]) + 1
        switch below(words.isEmpty ? 9 : 11) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(below(8))
        case 1 where !bytes.isEmpty: bytes[place] = UInt8(truncatingIfNeeded: next())
        case 2:
            let number = Self.numbers[below(Self.numbers.count)]
            for index in 0..<[1, 2, 4, 8][below(4)] where place + index < bytes.count {
                // In either byte order.
                bytes[place + index] = UInt8(
                    truncatingIfNeeded: number >> (8 * UInt64(below(2) == 0 ? index : 7 - index)))
            }
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + length))
        case 4: bytes.insert(contentsOf: (0..<length).map { _ in UInt8(truncatingIfNeeded: next()) }, at: place)
        case 5: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + length)], at: place)
        case 6 where below(4) == 0: bytes.removeSubrange(place...)
        case 7:
            guard let other = others.isEmpty ? nil : others[below(others.count)], !other.isEmpty else { return }
            let from = below(other.count)
            let piece = other[from..<min(other.count, from + length)]
            bytes.replaceSubrange(place..<min(bytes.count, place + (below(2) == 0 ? piece.count : 0)), with: piece)
        case 8 where !bytes.isEmpty: bytes[place] = bytes[place] &+ (below(2) == 0 ? 1 : 255)
        case 9, 10:
            let word = Array(words[below(words.count)].utf8)
            bytes.insert(
                contentsOf: below(20) == 0 ? Array(repeatElement(word, count: 3000).joined()) : word, at: place)
        default: break
        }
    }
}

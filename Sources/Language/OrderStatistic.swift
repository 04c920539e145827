/// Order statistics without sorting.
enum OrderStatistic {
    /// The median, the upper one of two; 0 for no values.
    static func median(_ values: [Float]) -> Float {
        guard !values.isEmpty else { return 0 }
        // Radix selection on order-preserving bits: the upper half first, then the lower.
        var rank = values.count / 2
        var counts = [Int](repeating: 0, count: 1 << 16)
        for value in values { counts[Int(ordered(value) >> 16)] += 1 }
        let upper = place(of: &rank, in: counts)
        counts = [Int](repeating: 0, count: 1 << 16)
        for value in values {
            let bits = ordered(value)
            if Int(bits >> 16) == upper { counts[Int(bits & 0xffff)] += 1 }
        }
        let bits = UInt32(upper) << 16 | UInt32(place(of: &rank, in: counts))
        return Float(bitPattern: bits & 0x8000_0000 != 0 ? bits & 0x7fff_ffff : ~bits)
    }

    /// Maps a float to an integer with the same order; negative values come first.
    private static func ordered(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    /// The bucket that contains the value of that rank; the rank becomes relative to the bucket.
    private static func place(of rank: inout Int, in counts: [Int]) -> Int {
        for (place, count) in counts.enumerated() {
            if rank < count { return place }
            rank -= count
        }
        return counts.count - 1
    }
}

/// Numbers by their rank, without sorting them all.
enum OrderStatistic {
    /// The number that would stand in the middle, the later one of two; 0 of none.
    static func median(_ values: [Float]) -> Float {
        guard !values.isEmpty else { return 0 }
        // Bits in the order of the numbers: first the upper half of them decides, then the lower.
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

    /// Negative numbers come before positive ones, the larger their magnitude the earlier.
    private static func ordered(_ value: Float) -> UInt32 {
        let bits = value.bitPattern
        return bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    }

    /// The class of the number of that rank; the rank becomes that within the class.
    private static func place(of rank: inout Int, in counts: [Int]) -> Int {
        for (place, count) in counts.enumerated() {
            if rank < count { return place }
            rank -= count
        }
        return counts.count - 1
    }
}

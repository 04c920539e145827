import Foundation

/// How often which magnitudes occur.
struct Histogram {
    private static let bins = 2048
    private(set) var largest: Float = 0
    private var counts = [Int](repeating: 0, count: bins)

    mutating func widen(to values: UnsafeBufferPointer<Float>) {
        var largest = largest
        for value in values { largest = max(largest, abs(value)) }
        self.largest = largest
    }

    /// Every third number: neighbours are much alike, and the order of numbers is a power of two.
    mutating func count(_ values: UnsafeBufferPointer<Float>) {
        guard largest > 0, largest.isFinite else { return }
        let factor = Float(Self.bins) / largest
        counts.withUnsafeMutableBufferPointer { counts in
            for index in stride(from: 0, to: values.count, by: 3) {
                let magnitude = abs(values[index])
                if magnitude > 0, magnitude <= largest {
                    counts[min(Self.bins - 1, Int(magnitude * factor))] += 1
                }
            }
        }
    }

    /// The range with the least squared error when `levels` steps make it up.
    func bestRange(levels: Int) -> Float {
        let candidates = (24...96).map { step in
            let range = Float(step) / 96 * largest
            return (range: range, error: error(range, levels))
        }
        return candidates.min { $0.error < $1.error }?.range ?? largest
    }

    /// The magnitude that a bin stands for.
    private func middle(_ bin: Int) -> Double { (Double(bin) + 0.5) * Double(largest) / Double(Self.bins) }

    private func error(_ range: Float, _ levels: Int) -> Double {
        let step = Double(range) / Double(levels)
        var sum = 0.0
        for (bin, count) in counts.enumerated() where count > 0 {
            let cutOff = max(0, middle(bin) - Double(range))
            sum += Double(count) * (cutOff > 0 ? cutOff * cutOff : step * step / 12)
        }
        return sum
    }
}

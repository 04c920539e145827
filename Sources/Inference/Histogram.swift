import CElementwise
import Foundation

/// Histogram of magnitudes. Counts are integers, so the merged histogram does not depend on the order of threads.
struct Histogram: Sendable {
    private(set) var largest: Float = 0
    private var counts = [UInt32](repeating: 0, count: Int(ELEMENTWISE_MAGNITUDES))

    /// Counts a third of the values, some from every channel: neighbouring values are similar.
    mutating func count(_ values: UnsafeBufferPointer<Float>) {
        largest = max(largest, elementwise_largest(values.count, values.baseAddress))
        counts.withUnsafeMutableBufferPointer {
            elementwise_count_magnitudes(values.count, values.baseAddress, $0.baseAddress)
        }
    }

    mutating func add(_ other: Histogram) {
        largest = max(largest, other.largest)
        for (bin, count) in other.counts.enumerated() { counts[bin] &+= count }
    }

    /// The range with the least squared quantisation error for `levels` levels.
    ///
    /// Only sixteen ranges per power of two are tried, so that processors with different summation order find the same.
    func bestRange(levels: Int) -> Float {
        guard largest > 0, largest.isFinite else { return largest }
        let sums = sums()
        let top = Int((log2(Double(largest)) * 16).rounded(.up))
        let candidates = (top - 32...top).map { exp2(Double($0) / 16) }
        let best = candidates.map { ($0, Self.error(of: $0, levels, sums)) }.min { $0.1 < $1.1 }
        return Float(best?.0 ?? Double(largest))
    }

    /// Squared error when values are rounded to levels and clipped to the range.
    private static func error(of range: Double, _ levels: Int, _ sums: [Sums]) -> Double {
        let (inside, all) = (sums[bin(of: range)], sums[sums.count - 1])
        let step = range / Double(levels)
        let cut = (count: all.count - inside.count, sum: all.sum - inside.sum, squares: all.squares - inside.squares)
        return inside.count * step * step / 12 + cut.squares - 2 * range * cut.sum + range * range * cut.count
    }

    private typealias Sums = (count: Double, sum: Double, squares: Double)

    /// For each bin, the number of smaller magnitudes, their sum, and the sum of their squares.
    private func sums() -> [Sums] {
        var result: [Sums] = [(0, 0, 0)]
        var (number, sum, squares) = (0.0, 0.0, 0.0)
        for (bin, count) in counts.enumerated() {
            let magnitude = exp2(Double(bin / 128 - 40)) * (1 + (Double(bin % 128) + 0.5) / 128)
            (number, sum) = (number + Double(count), sum + Double(count) * magnitude)
            squares += Double(count) * magnitude * magnitude
            result.append((number, sum, squares))
        }
        return result
    }

    /// The bin that contains a range.
    private static func bin(of range: Double) -> Int {
        let power = log2(range).rounded(.down)
        let place = (Int(power) + 40) * 128 + Int((range / exp2(power) - 1) * 128)
        return max(0, min(Int(ELEMENTWISE_MAGNITUDES), place))
    }
}

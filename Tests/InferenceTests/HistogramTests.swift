import Foundation
import Testing
@testable import Inference
@testable import NeuralNetwork

@Suite struct HistogramTests {
    static func histogram(_ values: [Float]) -> Histogram {
        var histogram = Histogram()
        values.withUnsafeBufferPointer { histogram.count($0) }
        return histogram
    }

    /// Each value repeated in proportion to its frequency, times three, since every third value is counted.
    static func normal(_ count: Int) -> [Float] {
        (0..<count).flatMap { index -> [Float] in
            let uniform = (Float(index) + 0.5) / Float(count)
            // A sum of uniform random numbers is nearly normal.
            let value = (0..<4).reduce(Float(-2)) {
                $0 + (uniform * Float($1 * 37 + 1)).truncatingRemainder(dividingBy: 1)
            }
            return [value, value, value]
        }
    }

    /// The squared error of rounding and clipping, element by element.
    static func error(_ values: [Float], range: Float, levels: Int) -> Double {
        let step = Double(range) / Double(levels)
        return values.reduce(0) { sum, value in
            let rounded = min(Double(levels), (Double(abs(value)) / step).rounded()) * step
            return sum + (Double(abs(value)) - rounded) * (Double(abs(value)) - rounded)
        }
    }

    @Test("the quantisation error of the calibrated range is near the minimum", arguments: [127, 255]) func bestRange(
        levels: Int
    ) {
        var values = Self.normal(20_000)
        // A few outliers, which a good range clips.
        values += [30, 30, 30, -25, -25, -25]
        let range = Self.histogram(values).bestRange(levels: levels)
        let own = Self.error(values, range: range, levels: levels)
        let least = (1...400).map { Self.error(values, range: Float($0) * 0.08, levels: levels) }.min() ?? 0
        #expect(own < 1.1 * least, "\(range): \(own), \(least)")
    }

    @Test("merged histograms give the same range as one, and rounding differences do not change it") func parts() {
        let values = Self.normal(3_000)
        var joined = Self.histogram(Array(values[..<3_000]))
        joined.add(Self.histogram(Array(values[3_000...])))
        let whole = Self.histogram(values)
        #expect(joined.bestRange(levels: 127) == whole.bestRange(levels: 127))
        let other = values.map { $0 * (1 + 3e-7) }
        #expect(Self.histogram(other).bestRange(levels: 127) == whole.bestRange(levels: 127))
    }

    @Test("every channel contributes to the range, for any number of channels", arguments: [3, 4, 6, 7, 96])
    func channels(count: Int) {
        for large in 0..<min(count, 7) {
            let values = (0..<count * 2_000).map { index -> Float in
                let value = Float(index % 19 - 9) / 9
                return index % count == large ? 10 * value : value
            }
            let range = Self.histogram(values).bestRange(levels: 127)
            #expect((8...11).contains(range), "channel \(large): \(range)")
        }
    }

    @Test("empty data, zeros and infinities give no usable range") func degenerate() {
        #expect(Histogram().bestRange(levels: 127) == 0)
        #expect(Self.histogram([0, 0, 0, 0]).bestRange(levels: 127) == 0)
        #expect(!Self.histogram([1, 1, .infinity]).bestRange(levels: 127).isFinite)
    }
}

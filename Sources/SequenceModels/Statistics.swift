import Datasets
import Foundation

/// How sure a figure is.
public enum Statistics {
    /// A range that holds the true value in 95 of 100 cases.
    public struct Interval: Sendable, Equatable, Encodable {
        /// Its ends.
        public let lower, upper: Double
    }

    /// 95 % percentile bootstrap (Efron 1979) of the mean of `values` over groups: clips of one source are
    /// drawn together, for they are not independent.
    ///
    /// - Parameters:
    ///   - values: sums of each group, such as the correct clips in it.
    ///   - counts: clips of each group.
    ///   - seed: of the draws; the same seed gives the same interval.
    public static func bootstrap(
        values: [Double], counts: [Double], resamples: Int = 10_000, seed: UInt64 = 0
    ) -> Interval {
        guard !values.isEmpty else { return Interval(lower: .nan, upper: .nan) }
        var generator = SplitMix64(seed: seed)
        var means = (0..<resamples).map { _ in
            var (sum, count) = (0.0, 0.0)
            for _ in values.indices {
                // The high bits, spread over the groups: no division.
                let index = Int(((generator.next() >> 32) * UInt64(values.count)) >> 32)
                sum += values[index]
                count += counts[index]
            }
            return sum / count
        }
        means.sort()
        return Interval(lower: quantile(means, 0.025), upper: quantile(means, 0.975))
    }

    /// Between the two nearest of sorted values, as NumPy does by default.
    static func quantile(_ sorted: [Double], _ share: Double) -> Double {
        let place = share * Double(sorted.count - 1)
        let (first, rest) = (Int(place), place - place.rounded(.down))
        return first + 1 < sorted.count ? sorted[first] * (1 - rest) + sorted[first + 1] * rest : sorted[first]
    }

    /// McNemar's exact test (1947): the probability, if both were equally good, that of the clips which only one
    /// names rightly the shares are at least as uneven.
    public static func mcNemar(onlyFirst: Int, onlySecond: Int) -> Double {
        let count = onlyFirst + onlySecond
        guard count > 0 else { return 1 }
        let fewer = min(onlyFirst, onlySecond)
        let tail = (0...fewer).reduce(0.0) { sum, k in
            let ways = lgamma(Double(count) + 1) - lgamma(Double(k) + 1) - lgamma(Double(count - k) + 1)
            return sum + exp(ways - Double(count) * log(2))
        }
        return min(1, 2 * tail)
    }

    /// Mean and sample standard deviation; the latter is nil for a single value.
    public static func meanAndDeviation(_ values: [Double]) -> (mean: Double, deviation: Double?) {
        let mean = values.reduce(0, +) / Double(values.count)
        guard values.count > 1 else { return (mean, nil) }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, (squares / Double(values.count - 1)).squareRoot())
    }
}

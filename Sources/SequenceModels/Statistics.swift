import Foundation

/// How sure a figure is.
public enum Statistics {
    /// A range that holds the true value in 95 of 100 cases.
    public struct Interval: Sendable, Equatable, Encodable {
        /// Its ends.
        public let lower, upper: Double
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

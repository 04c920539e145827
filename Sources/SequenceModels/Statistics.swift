import Foundation

package enum Statistics {
    /// A 95 % confidence interval.
    package struct Interval: Sendable, Equatable, Encodable {
        package let lower, upper: Double
    }

    /// p-value of McNemar's exact test (1947), from the numbers of clips that only one of two classifiers gets right.
    static func mcNemar(onlyFirst: Int, onlySecond: Int) -> Double {
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
    package static func meanAndStandardDeviation(_ values: [Double]) -> (mean: Double, standardDeviation: Double?) {
        let mean = values.reduce(0, +) / Double(values.count)
        guard values.count > 1 else { return (mean, nil) }
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (mean, (squares / Double(values.count - 1)).squareRoot())
    }
}

import Foundation

/// A proportion over clips whose sources are not independent, with its confidence interval.
///
/// Wilson's interval (1927) with the effective sample size (Kish 1965), and Student's quantile for the number of
/// sources. Unlike a bootstrap interval, it does not have zero width if all clips are correct.
struct ClusteredProportion {
    let share: Double
    /// Effective sample size: the number of independent clips with the same variance.
    let effectiveCount: Double
    /// Each source's deviation from the proportion, over all clips; the correlation of two proportions is computed from
    /// them.
    let residuals: [Double]
    private let quantile: Double

    /// `values`: whether each clip counts. `places`: source of each clip, contiguous from 0.
    init(_ values: [Bool], places: [Int]) {
        let groups = (places.max() ?? -1) + 1
        var (sums, counts) = ([Double](repeating: 0, count: groups), [Double](repeating: 0, count: groups))
        for (value, place) in zip(values, places) {
            if value { sums[place] += 1 }
            counts[place] += 1
        }
        let count = Double(values.count)
        let share = sums.reduce(0, +) / count
        residuals = zip(sums, counts).map { $0 - share * $1 }
        self.share = share
        let sources = Double(groups)
        // Design effect: at least 1, and at most as if all clips of a source were one.
        let largest = counts.reduce(0) { $0 + $1 * $1 } / count
        let plain = share * (1 - share) / count
        let variance = sources / (sources - 1) * residuals.reduce(0) { $0 + $1 * $1 } / (count * count)
        let found = plain > 0 && sources > 1 ? min(max(variance / plain, 1), max(largest, 1)) : largest
        // A few errors do not reveal how they cluster, so one fully correlated source of errors is added.
        let seen = min(share, 1 - share) * count
        effectiveCount = count / ((found * seen + largest) / (seen + 1))
        quantile = Self.quantile(freedom: sources - 1)
    }

    /// 95 % confidence interval.
    var interval: Statistics.Interval {
        guard share.isFinite, quantile.isFinite else { return .init(lower: 0, upper: 1) }
        let square = quantile * quantile
        let centre = (share + square / (2 * effectiveCount)) / (1 + square / effectiveCount)
        let half =
            quantile / (1 + square / effectiveCount)
            * (share * (1 - share) / effectiveCount + square / (4 * effectiveCount * effectiveCount)).squareRoot()
        return .init(lower: max(0, centre - half), upper: min(1, centre + half))
    }

    /// 95 % confidence interval of the difference second − first on the same clips, from both intervals and their
    /// correlation (Newcombe 1998, method 10 for paired proportions).
    static func gain(_ first: ClusteredProportion, _ second: ClusteredProportion) -> Statistics.Interval {
        let products = zip(first.residuals, second.residuals).reduce(0) { $0 + $1.0 * $1.1 }
        let lengths = [first, second].map { $0.residuals.reduce(0) { $0 + $1 * $1 } }
        let correlation = lengths[0] > 0 && lengths[1] > 0 ? products / (lengths[0] * lengths[1]).squareRoot() : 0
        let (one, two) = (first.interval, second.interval)
        func distance(_ a: Double, _ b: Double) -> Double {
            max(0, a * a + b * b - 2 * correlation * a * b).squareRoot()
        }
        let gain = second.share - first.share
        return .init(
            lower: gain - distance(one.upper - first.share, second.share - two.lower),
            upper: gain + distance(first.share - one.lower, two.upper - second.share))
    }

    /// 97.5 % quantile of Student's t distribution: exact for up to three degrees of freedom, otherwise the
    /// Cornish-Fisher expansion (1960) to the third order, within 0.4 % for four and closer for more.
    static func quantile(freedom: Double) -> Double {
        if freedom < 1 { return .infinity }
        if freedom < 2 { return 12.706_204_7 }
        if freedom < 3 { return 4.302_652_7 }
        if freedom < 4 { return 3.182_446_3 }
        let z = 1.959_963_985
        let (z3, z5, z7) = (pow(z, 3), pow(z, 5), pow(z, 7))
        return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom)
            + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * freedom * freedom * freedom)
    }
}

/// Calibration of a head's probabilities: the reliability diagram with bins of equal width (Guo et al. 2017,
/// arXiv:1706.04599).
package struct Reliability: Sendable, Equatable {
    package struct Bin: Sendable, Equatable {
        /// Bounds of the bin; the upper one is inclusive.
        package let lower, upper: Double
        package let count: Int
        /// Mean probability of the predicted class.
        package let confidence: Double
        package let accuracy: Double
    }

    /// Non-empty bins, lowest first.
    package let bins: [Bin]
    /// Expected calibration error (ECE): mean |confidence − accuracy|, weighted by the bins' predictions.
    package let expectedError: Double

    /// - `predictions`: probability of the predicted class, and whether it is correct.
    package init(_ predictions: [(probability: Double, isRight: Bool)], bins count: Int = 10) {
        var groups = Array(repeating: [(probability: Double, isRight: Bool)](), count: count)
        for prediction in predictions {
            let place = (prediction.probability * Double(count)).rounded(.up)
            groups[Int(max(1, min(Double(count), place))) - 1].append(prediction)
        }
        bins = groups.enumerated().filter { !$0.element.isEmpty }.map { index, group in
            Bin(
                lower: Double(index) / Double(count), upper: Double(index + 1) / Double(count), count: group.count,
                confidence: group.reduce(0) { $0 + $1.probability } / Double(group.count),
                accuracy: Double(group.count { $0.isRight }) / Double(group.count))
        }
        let total = Double(max(1, predictions.count))
        expectedError = bins.reduce(0) { $0 + Double($1.count) / total * abs($1.confidence - $1.accuracy) }
    }
}

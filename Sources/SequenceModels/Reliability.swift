/// How far a head's probabilities can be trusted: predictions in bins of equal width of their probability, and how
/// often those of each bin are right (Guo et al. 2017, arXiv:1706.04599).
public struct Reliability: Sendable, Equatable {
    /// Predictions of similar probability.
    public struct Bin: Sendable, Equatable {
        /// Ends of the range; the upper one belongs to it.
        public let lower, upper: Double
        /// Predictions in it.
        public let count: Int
        /// Mean probability of the predicted class.
        public let confidence: Double
        /// Share of right ones.
        public let accuracy: Double
    }

    /// Those that are not empty, lowest first.
    public let bins: [Bin]
    /// Expected calibration error: mean distance of confidence and accuracy, weighted by the predictions of a bin.
    public let expectedError: Double

    /// - `predictions`: probability of the predicted class, and whether it is the true one.
    public init(_ predictions: [(probability: Double, isRight: Bool)], bins count: Int = 10) {
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

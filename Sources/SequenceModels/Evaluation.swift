import Datasets
import FeatureCache
import NeuralNetwork
import Training

/// A head applied to cached examples.
public struct Evaluation: Sendable {
    /// Over examples whose label the head knows; nil where there are none.
    public let metrics: Metrics?
    /// One for each example.
    public let predictions: [PredictionRecord]

    /// Applies the head to the chosen examples.
    ///
    /// - Throws: `CacheError`, where rows are streamed.
    public init(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], split: Split, averagingViews: Bool = false
    ) throws {
        let logits = try head.logits(features, indices, averagingViews: averagingViews)
        let probabilities = softmax(logits)
        let classes = head.labels.count
        let places = Dictionary(uniqueKeysWithValues: head.labels.enumerated().map { ($1, $0) })
        var known: [Int] = []
        var targets: [Int] = []
        var predictions: [PredictionRecord] = []
        for (row, index) in indices.enumerated() {
            let example = features.examples[index]
            let own = probabilities.values[row * classes..<(row + 1) * classes].map(Double.init)
            let best = own.indices.max { (own[$0], -$0) < (own[$1], -$1) } ?? 0
            predictions.append(
                PredictionRecord(
                    videoID: example.videoID, split: split.rawValue, label: example.label, predicted: head.labels[best],
                    probability: own[best], probabilities: own))
            if let target = places[example.label] {
                known.append(row)
                targets.append(target)
            }
        }
        let scores = known.flatMap { logits.values[$0 * classes..<($0 + 1) * classes] }
        self.predictions = predictions
        metrics =
            known.isEmpty
            ? nil
            : Metrics(
                logits: Tensor(shape: [known.count, classes], values: scores), targets: targets, labels: head.labels)
    }
}

import Datasets
import FeatureCache
import NeuralNetwork
import Training

package struct Evaluation: Sendable {
    /// Nil if there are no examples.
    package let metrics: Metrics?
    /// One per example; without a class if the head returns NaN or infinity.
    package let predictions: [PredictionRecord]

    /// Number of examples for which the head returns NaN or infinity.
    package var unscored: Int { metrics?.unscored.reduce(0, +) ?? 0 }

    /// Applies the head to the selected examples. Throws `CacheError`, if rows are streamed.
    package init(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], split: Split, averagingViews: Bool = false
    ) throws {
        let logits = try head.logits(features, indices, averagingViews: averagingViews)
        let probabilities = flushingDenormals { softmax(logits) }
        let classes = head.labels.count
        let labels = Metrics.labels(of: head.labels, and: indices.map { features.examples[$0].label })
        let places = labels.places
        var predictions: [PredictionRecord] = []
        for (row, index) in indices.enumerated() {
            let example = features.examples[index]
            let own = probabilities.values[row * classes..<(row + 1) * classes].map(Double.init)
            guard own.allSatisfy(\.isFinite) else {
                predictions.append(.unscored(videoID: example.videoID, split: split.rawValue, label: example.label))
                continue
            }
            let best = own.argmax ?? 0
            predictions.append(
                PredictionRecord(
                    videoID: example.videoID, split: split.rawValue, label: example.label, predicted: head.labels[best],
                    probability: own[best], probabilities: own))
        }
        self.predictions = predictions
        metrics =
            indices.isEmpty
            ? nil
            : Metrics(
                logits: logits, targets: indices.map { places[features.examples[$0].label] ?? classes },
                labels: labels)
    }
}

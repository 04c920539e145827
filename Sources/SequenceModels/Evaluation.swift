import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Training

package struct Evaluation: Sendable {
    /// Nil if there are no examples.
    package let metrics: RunMetrics?
    /// One per example; without a class if the head returns NaN or infinity.
    package let predictions: [PredictionRecord]

    /// Number of examples for which the head returns NaN or infinity.
    package var unscored: Int { predictions.count { !$0.isScored } }

    /// Applies the head to the selected examples. Throws `CacheError`, if rows are streamed.
    package init(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], split: Split, averagingViews: Bool = false
    ) throws {
        let logits = try head.logits(features, indices, averagingViews: averagingViews)
        let probabilities = head.unchecked(logits)
        let classes = head.labels.count
        predictions = indices.enumerated().map { row, index in
            let example = features.examples[index]
            let own = probabilities.values[row * classes..<(row + 1) * classes].map(Double.init)
            guard own.allSatisfy(\.isFinite) else {
                return .unscored(videoID: example.videoID, split: split.rawValue, label: example.label)
            }
            return PredictionRecord(
                videoID: example.videoID, split: split.rawValue, label: example.label, predicted: head.predicted(own),
                probability: own.max() ?? 0, probabilities: own)
        }
        metrics = indices.isEmpty ? nil : head.metrics(logits, truths: indices.map { features.examples[$0].label })
    }
}

extension Head {
    /// What is predicted with these probabilities: the most probable class, or the text of the labels at or above their
    /// thresholds.
    package func predicted(_ probabilities: [Double]) -> String {
        switch task {
        case .classification: probabilities.argmax.map { labels[$0] } ?? ""
        case .multilabel: LabelSet.text(chosen(probabilities).map { labels[$0] })
        }
    }

    /// Indices of the labels whose probability is at least their threshold.
    package func chosen(_ probabilities: [Double]) -> [Int] {
        zip(probabilities, thresholds).enumerated().filter { $1.0 >= $1.1 }.map(\.offset)
    }

    /// Metrics of logits `[example, class]`. `truths`: the label of each example.
    func metrics(_ logits: Tensor, truths: [String]) -> RunMetrics {
        switch task {
        case .classification:
            let all = Metrics.labels(of: labels, and: truths)
            let places = all.places
            return .classes(
                Metrics(logits: logits, targets: truths.map { places[$0] ?? labels.count }, labels: all))
        case .multilabel:
            let probabilities = unchecked(logits)
            let rows = truths.indices.map { row in
                probabilities.values[row * labels.count..<(row + 1) * labels.count].map(Double.init)
            }
            let decided = rows.map { row in Set(chosen(row)) }
            let loss = LabelMetrics.loss(logits, truths: truths, labels: labels)
            return .labels(LabelMetrics(rows, decided: decided, truths: truths, labels: labels, loss: loss))
        }
    }
}

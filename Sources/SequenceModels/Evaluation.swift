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
        let probabilities = head.probabilityRows(logits)
        predictions = indices.enumerated().map { row, index in
            let example = features.examples[index]
            let own = probabilities[row]
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

    /// Class probabilities of logits `[example, class]`, by example. Sigmoids are computed in double precision: in
    /// single precision, all logits above 17 have the same probability.
    func probabilityRows(_ logits: Tensor) -> [[Double]] {
        let classes = labels.count
        let values =
            task == .classification
            ? unchecked(logits).values.map(Double.init)
            : logits.values.map { $0.isFinite ? 1 / (1 + exp(-Double($0))) : .nan }
        return (0..<logits.shape[0]).map { Array(values[$0 * classes..<($0 + 1) * classes]) }
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
            let rows = probabilityRows(logits)
            let decided = rows.map { Set(chosen($0)) }
            return .labels(
                LabelMetrics(LabelScores(rows, truths: truths, labels: labels), decided: decided))
        }
    }
}

import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Training

extension LabelMetrics {
    /// From stored predictions; a clip is predicted to have the labels that were stored, whatever the thresholds were.
    /// `head`: the head's labels, in the order of the probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String]) {
        let places = head.places
        let decided = predictions.map { prediction in
            Set(DatasetConfiguration.Task.multilabel.names(in: prediction.predicted).compactMap { places[$0] })
        }
        self.init(LabelScores(predictions, labels: head), loss: Self.loss(predictions, labels: head)) {
            decided[$0].contains($1)
        }
    }

    /// - `probabilities`: `[clip][label]`, of the head's labels.
    /// - `decided`: indices of the labels that each clip is predicted to have.
    /// - `truths`: the text of the labels of each clip.
    init(
        _ probabilities: [[Double]], decided: [Set<Int>], truths: [String], labels head: [String], loss: Double
    ) {
        self.init(LabelScores(probabilities, truths: truths, labels: head), loss: loss) { decided[$0].contains($1) }
    }

    /// Mean binary cross-entropy of logits `[clip, label]` in nats; NaN without clips.
    static func loss(_ logits: Tensor, truths: [String], labels: [String]) -> Double {
        if truths.isEmpty { return .nan }
        let targets = truths.flatMap { text in
            let own = Set(DatasetConfiguration.Task.multilabel.names(in: text))
            return labels.map { own.contains($0) ? Float(1) : 0 }
        }
        return BinaryCrossEntropy()(logits, targets: targets).loss
    }

    private static func loss(_ predictions: [PredictionRecord], labels: [String]) -> Double {
        let logits = predictions.flatMap { prediction in
            prediction.probabilities.count == labels.count
                ? prediction.probabilities.map { Float(log(max($0, 1e-30) / max(1 - $0, 1e-30))) }
                : Array(repeating: Float.nan, count: labels.count)
        }
        return loss(
            Tensor(shape: [predictions.count, labels.count], values: logits), truths: predictions.map(\.label),
            labels: labels)
    }

    /// Labels of the clips that the head lacks.
    package var unknownLabels: [String] { Array(labels.dropFirst(knownClasses)) }
}

extension LabelScores {
    /// `head`: the head's labels, in the order of the probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String]) {
        self.init(predictions.map(\.probabilities), truths: predictions.map(\.label), labels: head)
    }

    /// - `probabilities`: `[clip][label]`, of the head's labels.
    /// - `truths`: the text of the labels of each clip.
    init(_ probabilities: [[Double]], truths: [String], labels head: [String]) {
        let names = truths.map { Set(DatasetConfiguration.Task.multilabel.names(in: $0)) }
        let labels = Metrics.labels(of: head, and: names.joined())
        self.init(
            probabilities: probabilities, truth: names.map { own in labels.map(own.contains) }, labels: labels,
            known: head.count)
    }
}

import Datasets
import FeatureCache
import Foundation
import NeuralNetwork

extension LabelScores {
    /// - `probabilities`: `[clip][class]`, of the head's labels. A clip with another number of values is unscored.
    /// - `truth`: `[clip][label]`: whether the clip has the label.
    /// - `known`: number of the head's labels, which come first in `labels`; nil for all of them.
    package init(probabilities: [[Double]], truth: [[Bool]], labels: [String], known: Int? = nil) {
        let known = min(max(known ?? labels.count, 0), labels.count)
        var scores: [Double] = []
        scores.reserveCapacity(truth.count * known)
        for clip in truth.indices {
            if clip < probabilities.count, probabilities[clip].count == known {
                scores += probabilities[clip]
            } else {
                scores += Array(repeating: .nan, count: known)
            }
        }
        // A head without labels has no scores that could be missing.
        self.init(scores: scores, truth: truth, labels: labels, known: known)
    }

    /// The sigmoids of logits `[clip, class]`, in double precision: in single precision, all logits above 17 have the
    /// same probability. `truth` and `labels` as above; the head's labels are as many as the logits' classes.
    package init(logits: Tensor, truth: [[Bool]], labels: [String]) {
        self.init(
            scores: logits.values.map { $0.isFinite ? 1 / (1 + exp(-Double($0))) : .nan }, truth: truth,
            labels: labels, known: logits.shape[1])
    }

    /// From stored predictions, whose labels are texts of a `LabelSet`. `head`: labels in the order of the
    /// probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String]) {
        self.init(predictions.map(\.probabilities), truths: predictions.map(\.label), labels: head)
    }

    /// - `probabilities`: `[clip][class]`, of the head's labels.
    /// - `truths`: texts of a `LabelSet`.
    init(_ probabilities: [[Double]], truths: [String], labels head: [String]) {
        let names = truths.map { Set(LabelSet.names($0) ?? []) }
        let labels = Metrics.labels(of: head, and: names.joined())
        self.init(
            probabilities: probabilities, truth: names.map { own in labels.map(own.contains) }, labels: labels,
            known: head.count)
    }

    /// Mean binary cross-entropy in nats over clips and the head's labels, computed from probabilities. NaN if there
    /// are none, or if a clip is unscored.
    package var crossEntropy: Double {
        var sum = 0.0
        for clip in 0..<count {
            for label in 0..<knownClasses {
                // The largest probability below 1 is 1 − 2⁻⁵³.
                let score = score(clip, label)
                sum -= log(isTrue(clip, label) ? max(score, 1e-30) : max(1 - score, 0x1p-54))
            }
        }
        return isFinite ? sum / (Double(count) * Double(knownClasses)) : .nan
    }
}

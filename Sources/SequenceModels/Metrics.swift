import FeatureCache
import Foundation
import NeuralNetwork
import Training

package struct Metrics: Sendable, Equatable {
    /// Mean cross-entropy in nats over clips of the head's classes; NaN if there are none, or if a score is NaN.
    package let loss: Double
    package let count: Int
    /// Classes in the order of `confusion`: those of the head, then unknown classes of the examples.
    package let labels: [String]
    /// `confusion[true][predicted]`. Examples with a non-finite score are in no column.
    package let confusion: [[Int]]
    /// Number of examples whose true class is among the k most probable, for k from 1.
    package let correctWithin: [Int]
    /// Number of the head's classes, which come first in `labels`.
    package let knownClasses: Int
    /// Number of examples of each class with a non-finite score; they count as errors.
    package let unscored: [Int]

    private static func loss(_ logits: Tensor, _ targets: [Int], of rows: [Int]) -> Double {
        if rows.isEmpty { return .nan }
        if rows.count == targets.count { return CrossEntropy()(logits, targets: targets).loss }
        let classes = logits.shape[1]
        let values = rows.flatMap { logits.values[$0 * classes..<($0 + 1) * classes] }
        return CrossEntropy()(
            Tensor(shape: [rows.count, classes], values: values), targets: rows.map { targets[$0] }
        ).loss
    }

    /// Number of rows of logits `[example, class]` whose first maximum is the target; rows with a non-finite score do
    /// not count.
    static func correct(_ logits: Tensor, targets: [Int]) -> Int {
        let classes = logits.shape[1]
        return targets.enumerated().count { row, target in
            let scores = logits.values[row * classes..<(row + 1) * classes]
            guard scores.allSatisfy(\.isFinite), let largest = scores.max() else { return false }
            return scores.firstIndex(of: largest) == row * classes + target
        }
    }

    /// Top-1 accuracy.
    package var accuracy: Double { accuracy(top: 1) }

    package func accuracy(top: Int) -> Double {
        guard count > 0 else { return .nan }
        return Double(correctWithin[min(top, labels.count) - 1]) / Double(count)
    }

    /// Number of examples of a class, and of correct ones.
    package func perClass(_ label: Int) -> (count: Int, correct: Int) {
        (confusion[label].reduce(0, +) + unscored[label], label < knownClasses ? confusion[label][label] : 0)
    }

    /// Whether every score is finite. Otherwise no metric may be used for ranking or model selection.
    package var isFinite: Bool { unscored.allSatisfy { $0 == 0 } }

    /// Number of examples of classes unknown to the head, and those classes.
    package var unknown: (count: Int, labels: [String]) {
        ((knownClasses..<labels.count).reduce(0) { $0 + perClass($1).count }, Array(labels.dropFirst(knownClasses)))
    }

    package var ofKnownClasses: Metrics {
        let known = 0..<knownClasses
        return Metrics(
            loss: loss, count: count - unknown.count, labels: Array(labels[known]),
            confusion: known.map { Array(confusion[$0][known]) }, correctWithin: Array(correctWithin[known]),
            knownClasses: knownClasses, unscored: Array(unscored[known]))
    }

    package var finiteLoss: Double? { loss.isFinite ? loss : nil }

    /// The loss of a uniform distribution over the classes.
    var lossOfGuessing: Double { log(Double(max(2, knownClasses))) }

    /// Whether the loss is so far above that of a uniform distribution that training must have failed.
    var isLossAbsurd: Bool { loss > 10 * lossOfGuessing }
}

extension Metrics {
    /// Labels of a head, then unknown labels of clips, sorted.
    static func labels(of head: [String], and truths: some Sequence<String>) -> [String] {
        head + Set(truths).subtracting(head).sorted()
    }

    /// - `logits`: `[example, class]`.
    /// - `targets`: indices into `labels`. Indices of `class` and above are unknown to the head; their examples count
    ///   as errors.
    /// - `labels`: at least as many as there are classes.
    package init(logits: Tensor, targets: [Int], labels: [String]) {
        let classes = logits.shape[1]
        var confusion = Array(repeating: Array(repeating: 0, count: labels.count), count: labels.count)
        var ranks = Array(repeating: 0, count: labels.count)
        var unscored = Array(repeating: 0, count: labels.count)
        var known: [Int] = []
        for (row, target) in targets.enumerated() {
            let scores = logits.values[row * classes..<(row + 1) * classes]
            if target < classes { known.append(row) }
            guard scores.allSatisfy(\.isFinite) else {
                unscored[target] += 1
                continue
            }
            let best = scores.enumerated().max { ($0.element, -$0.offset) < ($1.element, -$1.offset) }
            confusion[target][best?.offset ?? 0] += 1
            guard target < classes else { continue }
            let own = scores[row * classes + target]
            // Ties count as worse ranks, except that the first of equal scores is the prediction.
            let rank = scores.enumerated().filter { $1 > own || ($1 == own && $0 < target) }.count
            ranks[rank] += 1
        }
        self.labels = labels
        self.confusion = confusion
        self.unscored = unscored
        count = targets.count
        knownClasses = classes
        loss = Self.loss(logits, targets, of: known)
        correctWithin = ranks.indices.map { ranks[0...$0].reduce(0, +) }
    }

    /// From stored predictions. `head`: the head's classes, in the order of the probabilities.
    package init(_ predictions: [PredictionRecord], labels head: [String]) {
        let labels = Self.labels(of: head, and: predictions.map(\.label))
        let places = labels.places
        let logits = predictions.flatMap { prediction -> [Float] in
            guard prediction.probabilities.count == head.count else { return Array(repeating: .nan, count: head.count) }
            return prediction.probabilities.map { $0.isFinite ? Float(log(max($0, 1e-30))) : .nan }
        }
        self.init(
            logits: Tensor(shape: [predictions.count, head.count], values: logits),
            targets: predictions.map { places[$0.label] ?? head.count }, labels: labels)
    }
}

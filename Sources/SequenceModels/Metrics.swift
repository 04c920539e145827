import FeatureCache
import Foundation
import NeuralNetwork
import Training

/// How good predictions are.
public struct Metrics: Sendable, Equatable {
    /// Mean cross-entropy in nats, over clips of classes that the head knows; NaN if there are none, or if a score is NaN.
    public let loss: Double
    /// Examples.
    public let count: Int
    /// Classes in the order of `confusion`: those of the head, then those of the examples that it does not know.
    public let labels: [String]
    /// `confusion[true][predicted]`. Examples with a score that is not finite are in no column.
    public let confusion: [[Int]]
    /// Examples whose true class is among the k most probable, for k from 1.
    public let correctWithin: [Int]
    /// Classes that the head knows, which come first among `labels`.
    public let knownClasses: Int
    /// Examples of each class with a score that is not finite; they count as wrong.
    public let unscored: [Int]

    /// - `logits`: `[example, class]`.
    /// - `targets`: class indices among `labels`. Those from `class` on are classes that the head does not know; their examples
    ///   count as wrong.
    /// - `labels`: at least as many as there are classes.
    public init(logits: Tensor, targets: [Int], labels: [String]) {
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
            // Ties count against us, except that the first of equal scores is the prediction.
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

    private static func loss(_ logits: Tensor, _ targets: [Int], of rows: [Int]) -> Double {
        if rows.isEmpty { return .nan }
        if rows.count == targets.count { return CrossEntropy()(logits, targets: targets).loss }
        let classes = logits.shape[1]
        let values = rows.flatMap { logits.values[$0 * classes..<($0 + 1) * classes] }
        return CrossEntropy()(
            Tensor(shape: [rows.count, classes], values: values), targets: rows.map { targets[$0] }
        ).loss
    }

    /// Rows of logits `[example, class]` whose first largest number is that of the target; none with a number that is not
    /// finite.
    static func correct(_ logits: Tensor, targets: [Int]) -> Int {
        let classes = logits.shape[1]
        return targets.enumerated().count { row, target in
            let scores = logits.values[row * classes..<(row + 1) * classes]
            guard scores.allSatisfy(\.isFinite), let largest = scores.max() else { return false }
            return scores.firstIndex(of: largest) == row * classes + target
        }
    }

    /// Share of examples whose class is the most probable.
    public var accuracy: Double { accuracy(top: 1) }

    /// Share of examples whose class is among the `top` most probable.
    public func accuracy(top: Int) -> Double {
        guard count > 0 else { return .nan }
        return Double(correctWithin[min(top, labels.count) - 1]) / Double(count)
    }

    /// Examples and correct ones of a class.
    public func perClass(_ label: Int) -> (count: Int, correct: Int) {
        (confusion[label].reduce(0, +) + unscored[label], label < knownClasses ? confusion[label][label] : 0)
    }

    /// Whether every score is a number. Without, no figure may be ranked or taken for an improvement.
    public var isFinite: Bool { unscored.allSatisfy { $0 == 0 } }

    /// Examples of classes that the head does not know, and those classes.
    public var unknown: (count: Int, labels: [String]) {
        ((knownClasses..<labels.count).reduce(0) { $0 + perClass($1).count }, Array(labels.dropFirst(knownClasses)))
    }

    /// Without the examples of classes that the head does not know.
    public var ofKnownClasses: Metrics {
        let known = 0..<knownClasses
        return Metrics(
            loss: loss, count: count - unknown.count, labels: Array(labels[known]),
            confusion: known.map { Array(confusion[$0][known]) }, correctWithin: Array(correctWithin[known]),
            knownClasses: knownClasses, unscored: Array(unscored[known]))
    }

    private init(
        loss: Double, count: Int, labels: [String], confusion: [[Int]], correctWithin: [Int], knownClasses: Int,
        unscored: [Int]
    ) {
        (self.loss, self.count, self.labels, self.confusion) = (loss, count, labels, confusion)
        (self.correctWithin, self.knownClasses, self.unscored) = (correctWithin, knownClasses, unscored)
    }

    /// The loss if it is a number.
    public var finiteLoss: Double? { loss.isFinite ? loss : nil }

    /// The loss of a head that gives every class the same probability.
    public var lossOfGuessing: Double { log(Double(max(2, knownClasses))) }

    /// Whether the loss is so much larger than that of guessing that training went wrong.
    public var isLossAbsurd: Bool { loss > 10 * lossOfGuessing }
}

extension Metrics {
    /// Labels of a head, then those of clips that it does not know, sorted.
    static func labels(of head: [String], and truths: some Sequence<String>) -> [String] {
        head + Set(truths).subtracting(head).sorted()
    }

    /// Predictions without those of classes that the head does not know.
    public static func known(_ predictions: [PredictionRecord], labels: [String]) -> [PredictionRecord] {
        let known = Set(labels)
        return predictions.filter { known.contains($0.label) }
    }

    /// From stored predictions.
    ///
    /// - `head`: the classes that the head knows, in the order of the probabilities.
    public init(_ predictions: [PredictionRecord], labels head: [String]) {
        let labels = Self.labels(of: head, and: predictions.map(\.label))
        let places = Dictionary(labels.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let logits = predictions.flatMap { prediction -> [Float] in
            guard prediction.probabilities.count == head.count else { return Array(repeating: .nan, count: head.count) }
            return prediction.probabilities.map { $0.isFinite ? Float(log(max($0, 1e-30))) : .nan }
        }
        self.init(
            logits: Tensor(shape: [predictions.count, head.count], values: logits),
            targets: predictions.map { places[$0.label] ?? head.count }, labels: labels)
    }
}

import FeatureCache
import Foundation
import NeuralNetwork
import Training

/// How good predictions are.
public struct Metrics: Sendable, Equatable {
    /// Mean cross-entropy, in nats.
    public let loss: Double
    /// Examples.
    public let count: Int
    /// Classes in the order of `confusion`.
    public let labels: [String]
    /// `confusion[true][predicted]`.
    public let confusion: [[Int]]
    /// Examples whose true class is among the k most probable, for k from 1.
    public let correctWithin: [Int]

    /// - `logits`: `[example, class]`.
    /// - `targets`: class indices.
    public init(logits: Tensor, targets: [Int], labels: [String]) {
        let classes = labels.count
        var confusion = Array(repeating: Array(repeating: 0, count: classes), count: classes)
        var ranks = Array(repeating: 0, count: classes)
        for (row, target) in targets.enumerated() {
            let scores = logits.values[row * classes..<(row + 1) * classes]
            let own = scores[row * classes + target]
            // Ties count against us, except that the first of equal scores is the prediction.
            let rank = scores.enumerated().filter { $1 > own || ($1 == own && $0 < target) }.count
            ranks[rank] += 1
            let best = scores.enumerated().max { ($0.element, -$0.offset) < ($1.element, -$1.offset) }
            confusion[target][best?.offset ?? 0] += 1
        }
        self.labels = labels
        self.confusion = confusion
        count = targets.count
        loss = targets.isEmpty ? .nan : CrossEntropy()(logits, targets: targets).loss
        correctWithin = ranks.indices.map { ranks[0...$0].reduce(0, +) }
    }

    /// Rows of logits `[example, class]` whose first largest number is that of the target.
    static func correct(_ logits: Tensor, targets: [Int]) -> Int {
        let classes = logits.shape[1]
        return targets.enumerated().count { row, target in
            let scores = logits.values[row * classes..<(row + 1) * classes]
            return scores.firstIndex(of: scores.max() ?? 0) == row * classes + target
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
        (confusion[label].reduce(0, +), confusion[label][label])
    }
}

extension Metrics {
    /// From stored predictions; those whose label the head does not know are left out.
    public init(_ predictions: [PredictionRecord], labels: [String]) {
        let places = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
        let known = predictions.filter { places[$0.label] != nil && $0.probabilities.count == labels.count }
        let logits = known.flatMap { $0.probabilities.map { Float(log(max($0, 1e-30))) } }
        self.init(
            logits: Tensor(shape: [known.count, labels.count], values: logits),
            targets: known.compactMap { places[$0.label] }, labels: labels)
    }
}

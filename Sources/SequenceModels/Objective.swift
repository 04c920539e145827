import Datasets
import NeuralNetwork
import Training

/// The loss of a head and the targets of the examples, by the task.
package struct Objective: Sendable {
    private enum Loss: Sendable {
        case crossEntropy(CrossEntropy), binary(BinaryCrossEntropy)
    }

    private let loss: Loss
    /// Indices of each example's class or labels in those of the head; unknown ones are left out.
    private let targets: [[Int]]
    private let classes: Int

    /// `labels`: of the head. `truths`: the label of each example. `training`: indices of the examples that are trained
    /// on, once for each sample, by which class weights are balanced.
    package init(_ configuration: TrainingConfiguration, labels: [String], truths: [String], training: [Int]) {
        let (task, places) = (configuration.labelTask, labels.places)
        let targets = truths.map { text in task.names(in: text).compactMap { places[$0] }.sorted() }
        let counts = training.reduce(into: [Int: Int]()) { counts, index in
            for target in targets[index] { counts[target, default: 0] += 1 }
        }
        (self.targets, classes) = (targets, labels.count)
        switch task {
        case .classification:
            loss = .crossEntropy(
                CrossEntropy(
                    labelSmoothing: configuration.labelSmoothing,
                    classWeights: configuration.classWeights.values(labels, counts: counts)))
        case .multilabel:
            loss = .binary(
                BinaryCrossEntropy(
                    labelSmoothing: configuration.labelSmoothing,
                    positiveWeights: configuration.positiveWeights?.positiveValues(
                        labels, counts: counts, of: training.count) ?? [], focal: configuration.focal))
        }
    }

    /// Mean loss of logits `[batch, class]` of these examples, and its gradient. With one class a clip, every example
    /// must have a class of the head.
    package func callAsFunction(_ logits: Tensor, _ examples: [Int]) -> (loss: Double, gradient: Tensor) {
        switch loss {
        case .crossEntropy(let loss): loss(logits, targets: examples.map { targets[$0].first ?? 0 })
        case .binary(let loss): loss(logits, targets: indicators(examples))
        }
    }

    /// Number of examples whose class has the largest score, or whose labels are those with a probability of at least
    /// one half.
    package func correct(_ logits: Tensor, _ examples: [Int]) -> Int {
        switch loss {
        case .crossEntropy: return Metrics.correct(logits, targets: examples.map { targets[$0].first ?? classes })
        case .binary:
            let indicators = indicators(examples)
            return examples.indices.count { row in
                (row * classes..<(row + 1) * classes).allSatisfy {
                    logits.values[$0].isFinite && (logits.values[$0] >= 0) == (indicators[$0] == 1)
                }
            }
        }
    }

    /// `[example, class]`: 1 for each label of an example, else 0.
    private func indicators(_ examples: [Int]) -> [Float] {
        var values = [Float](repeating: 0, count: examples.count * classes)
        for (row, example) in examples.enumerated() {
            for target in targets[example] { values[row * classes + target] = 1 }
        }
        return values
    }
}

/// Metrics of an epoch on the validation clips.
package struct EpochMetrics: Sendable {
    /// Nil if it is not finite.
    package let loss: Double?
    package let accuracy: Double
    /// Nil for one class a clip.
    package let meanAveragePrecision: Double?
    /// Whether every score is finite.
    package let isFinite: Bool

    package init(_ metrics: RunMetrics) {
        (loss, accuracy, isFinite) = (metrics.finiteLoss, metrics.accuracy, metrics.isFinite)
        meanAveragePrecision = metrics.labels?.meanAveragePrecision
    }

    /// Those of several labels a clip alone, because all metrics take longer than an epoch with many labels.
    init(_ scores: LabelScores) {
        let loss = scores.crossEntropy
        self.loss = loss.isFinite ? loss : nil
        (accuracy, isFinite) = (LabelDecisions(scores, thresholds: []).subsetAccuracy, scores.isFinite)
        meanAveragePrecision = LabelMetrics.mean(
            scores.averagePrecisions(weights: Array(repeating: 1, count: scores.count)))
    }
}

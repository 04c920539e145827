import Foundation
import SequenceModels

extension Metrics {
    private struct Document: Encodable {
        struct Class: Encodable {
            let label: String
            let clips, correct: Int
            let recall: Double?
            let precision, f1: Double
            let averagePrecision: Double?
        }
        let run, split: String
        let clips: Int
        let loss, accuracy: Double
        let accuracyInterval: Statistics.Interval
        let topAccuracy: [String: Double]
        let balancedAccuracy, macroF1, meanAveragePrecision, calibrationError: Double
        let roc: ScoreMetrics.ROC?
        let classes: [Class]
        let confusion: [[Int]]
        let unknownClasses: [String]?
        let foldModels: FoldModels?
        let notes: [String]

        /// Accuracies of the single models of a cross-validated run.
        struct FoldModels: Encodable {
            let folds, repeats: Int
            let meanAccuracy: Double
            let standardDeviation: Double?
            /// Of the probabilities averaged over repetitions; nil if there is only one.
            let averagedAccuracy: Double?
            let diverged: Int
        }
    }

    /// The metrics as JSON; `confusion[true][predicted]` in the order of `classes`. `interval`: 95 % interval of the
    /// accuracy. `folds`: of a cross-validated run with evaluated held-out clips. `notes`: what the metrics omit.
    package func json(
        run: String, split: String, top: Int, scores: ScoreMetrics, interval: Statistics.Interval,
        folds: CrossValidationResult.Summary? = nil, notes: [String] = []
    ) throws -> String {
        let models = folds.map { folds in
            Document.FoldModels(
                folds: folds.folds, repeats: folds.repeats, meanAccuracy: folds.score.mean,
                standardDeviation: folds.score.standardDeviation,
                averagedAccuracy: folds.repeats > 1 ? accuracy : nil, diverged: folds.diverged ?? 0)
        }
        let classes = labels.indices.map { index in
            Document.Class(
                label: labels[index], clips: perClass(index).count, correct: perClass(index).correct,
                recall: recall(index), precision: precision(index), f1: f1(index),
                averagePrecision: scores.averagePrecision[index])
        }
        let document = Document(
            run: run, split: split, clips: count, loss: loss, accuracy: accuracy,
            accuracyInterval: interval, topAccuracy: ["\(top)": accuracy(top: top)],
            balancedAccuracy: balancedAccuracy, macroF1: macroF1, meanAveragePrecision: scores.meanAveragePrecision,
            calibrationError: scores.calibrationError, roc: scores.roc, classes: classes, confusion: confusion,
            unknownClasses: unknown.labels.isEmpty ? nil : unknown.labels, foldModels: models, notes: notes)
        return try JSONText.of(document, keys: .convertToSnakeCase)
    }
}

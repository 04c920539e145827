import Foundation
import SequenceModels

extension Metrics {
    private struct Document: Encodable {
        struct Class: Encodable {
            let label: String
            let clips: Int
            let correct: Int
            let averagePrecision: Double?

            enum CodingKeys: String, CodingKey {
                case label, clips, correct
                case averagePrecision = "average_precision"
            }
        }
        let run: String
        let split: String
        let clips: Int
        let loss: Double
        let accuracy: Double
        let accuracyInterval: Statistics.Interval
        let topAccuracy: [String: Double]
        let balancedAccuracy: Double
        let macroF1: Double
        let meanAveragePrecision: Double
        let calibrationError: Double
        let roc: ScoreMetrics.ROC?
        let classes: [Class]
        let confusion: [[Int]]

        enum CodingKeys: String, CodingKey {
            case run, split, clips, loss, accuracy, roc, classes, confusion
            case accuracyInterval = "accuracy_interval"
            case topAccuracy = "top_accuracy"
            case balancedAccuracy = "balanced_accuracy"
            case macroF1 = "macro_f1"
            case meanAveragePrecision = "mean_average_precision"
            case calibrationError = "calibration_error"
        }
    }

    /// The metrics as a JSON object; `confusion[true][predicted]` in the order of `classes`.
    ///
    /// - `interval`: 95 %, of the accuracy.
    public func json(
        run: String, split: String, top: Int, scores: ScoreMetrics, interval: Statistics.Interval
    ) throws -> String {
        let classes = labels.indices.map { index in
            Document.Class(
                label: labels[index], clips: perClass(index).count, correct: perClass(index).correct,
                averagePrecision: scores.averagePrecision[index])
        }
        let document = Document(
            run: run, split: split, clips: count, loss: loss, accuracy: accuracy,
            accuracyInterval: interval, topAccuracy: ["\(top)": accuracy(top: top)],
            balancedAccuracy: balancedAccuracy, macroF1: macroF1, meanAveragePrecision: scores.meanAveragePrecision,
            calibrationError: scores.calibrationError, roc: scores.roc, classes: classes, confusion: confusion)
        return try JSONText.of(document)
    }
}

import FeatureCache
import Foundation

/// `epochs.csv` and `predictions.csv` of a run, for use without the cache.
extension RunDirectory {
    func saveTables(epochs: [EpochRecord], predictions: [PredictionRecord], paths: [Int64: String]) throws {
        func number(_ value: Double?) -> String { value.flatMap { $0.isFinite ? "\($0)" : nil } ?? "" }
        let hasLabels = epochs.contains { $0.validationMAP != nil }
        let epochLines = epochs.map { epoch in
            [
                "\(epoch.epoch)", number(epoch.learningRate), number(epoch.trainLoss), number(epoch.trainAccuracy),
                number(epoch.validationLoss), number(epoch.validationAccuracy), number(epoch.seconds),
            ] + (hasLabels ? [number(epoch.validationMAP)] : [])
        }
        let predictionLines = predictions.map { prediction in
            [
                paths[prediction.videoID] ?? "", prediction.split, prediction.label, prediction.predicted,
                number(prediction.probability),
            ]
        }
        try write(
            "epochs.csv",
            [
                "epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
                "seconds",
            ] + (hasLabels ? ["validation_map"] : []), epochLines)
        try write("predictions.csv", ["path", "split", "label", "predicted", "probability"], predictionLines)
    }

    private func write(_ name: String, _ header: [String], _ lines: [[String]]) throws {
        try writing(name) {
            try CSV.text(header, lines).write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        }
    }
}

import Datasets
import Foundation
import GRDB

package enum RunState: String, Sendable { case running, finished, interrupted, failed, diverged }

package struct EpochRecord: Sendable, Equatable, Codable {
    /// From 1.
    package let epoch: Int
    package let learningRate: Double
    /// Mean loss over the epoch in nats, with dropout.
    package let trainLoss: Double
    /// Share of the correctly classified sequences; of those whose labels are all right, with several labels a clip.
    package let trainAccuracy: Double
    /// Nil without a validation set.
    package let validationLoss: Double?
    package let validationAccuracy: Double?
    /// Mean average precision of several labels a clip; nil for classes, and without a validation set.
    package let validationMAP: Double?
    /// Wall-clock time of the epoch, validation included.
    package let seconds: Double

    package init(
        epoch: Int, learningRate: Double, trainLoss: Double, trainAccuracy: Double, validationLoss: Double?,
        validationAccuracy: Double?, validationMAP: Double? = nil, seconds: Double
    ) {
        self.validationMAP = validationMAP
        (self.epoch, self.learningRate, self.trainLoss) = (epoch, learningRate, trainLoss)
        (self.trainAccuracy, self.validationLoss) = (trainAccuracy, validationLoss)
        (self.validationAccuracy, self.seconds) = (validationAccuracy, seconds)
    }
}

package struct PredictionRecord: Sendable, Equatable {
    package let videoID: Int64
    /// `train`, `validation` or `test`, as used by the run.
    package let split: String
    /// The clip's class, or the text of its `LabelSet`.
    package let label: String
    /// Most probable class, or the text of the labels at or above their thresholds; empty if the head's output was not
    /// finite.
    package let predicted: String
    /// Of the most probable class or label.
    package let probability: Double
    /// In the order of the run's labels.
    package let probabilities: [Double]

    package init(
        videoID: Int64, split: String, label: String, predicted: String, probability: Double, probabilities: [Double]
    ) {
        (self.videoID, self.split, self.label, self.predicted) = (videoID, split, label, predicted)
        (self.probability, self.probabilities) = (probability, probabilities)
    }

    /// A clip for which a head returned NaN or infinity: counted as an error, stored without class and probabilities.
    package static func unscored(videoID: Int64, split: String, label: String) -> PredictionRecord {
        PredictionRecord(
            videoID: videoID, split: split, label: label, predicted: "", probability: .nan, probabilities: [])
    }

    /// Whether the probabilities are finite.
    package var isScored: Bool { probability.isFinite && !probabilities.isEmpty }
}

/// The prediction of one cross-validation model for a clip that it was not trained on.
package struct FoldRecord: Sendable, Equatable {
    package let videoID: Int64
    /// The repetition, from 1.
    package let number: Int
    /// The fold, from 1.
    package let fold: Int
    package let predicted: String
    /// In the order of the run's labels.
    package let probabilities: [Double]

    package init(videoID: Int64, number: Int, fold: Int, predicted: String, probabilities: [Double]) {
        (self.videoID, self.number, self.fold, self.predicted) = (videoID, number, fold, predicted)
        self.probabilities = probabilities
    }
}

extension CacheFile {
    /// Creates a run; a fine-tuning run has no extraction yet. Throws `CacheError.runExists`.
    package func addRun(
        name: String, extraction: Int64?, dataset: String, model: String, configuration: String, seed: Int,
        task: DatasetConfiguration.Task = .classification
    ) throws -> Int64 {
        try write { database in
            if try Int64.one(database, "SELECT id FROM run WHERE name = ?", [name]) != nil {
                throw CacheError.runExists(name: name)
            }
            try database.run(
                """
                INSERT INTO run (name, extraction_id, dataset, model, configuration, seed, state, started_at, task)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    name, extraction, dataset, model, configuration, seed, RunState.running.rawValue, Self.now(),
                    task.rawValue,
                ])
            return database.lastInsertedRowID
        }
    }

    /// Removes a run with its epochs and predictions, unless it has finished. Throws `CacheError.runExists` for a
    /// finished run.
    package func removeRun(named name: String) throws {
        try write { database in
            let row = try database.row("SELECT id, state FROM run WHERE name = ?", [name])
            guard let row else { return }
            if try row.get("state") == RunState.finished.rawValue { throw CacheError.runExists(name: name) }
            for table in ["epoch", "metric", "prediction", "membership"] {
                try database.run("DELETE FROM \(table) WHERE run_id = ?", [row.get("id") as Int64])
            }
            try database.run("DELETE FROM run WHERE id = ?", [row.get("id") as Int64])
        }
    }

    package func setExtraction(_ extraction: Int64, run: Int64) throws {
        try write("UPDATE run SET extraction_id = ? WHERE id = ?", [extraction, run])
    }

    package func resumeRun(_ run: Int64) throws {
        try write("UPDATE run SET state = ?, finished_at = NULL WHERE id = ?", [RunState.running.rawValue, run])
    }

    /// Stores the metrics of an epoch, replacing earlier ones of the same number.
    package func addEpoch(_ epoch: EpochRecord, run: Int64) throws {
        try write(
            "INSERT OR REPLACE INTO epoch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run, epoch.epoch, epoch.learningRate, epoch.trainLoss, epoch.trainAccuracy, epoch.validationLoss,
                epoch.validationAccuracy, epoch.seconds, epoch.validationMAP,
            ])
    }

    package func epochs(run: Int64) throws -> [EpochRecord] {
        try rows("SELECT * FROM epoch WHERE run_id = ? ORDER BY epoch", [run]) {
            try EpochRecord(
                epoch: $0.get("epoch"), learningRate: $0.get("learning_rate"), trainLoss: $0.get("train_loss"),
                trainAccuracy: $0.get("train_accuracy"), validationLoss: $0.get("validation_loss"),
                validationAccuracy: $0.get("validation_accuracy"), validationMAP: $0.get("validation_map"),
                seconds: $0.get("seconds"))
        }
    }

    /// Stores predictions, replacing earlier ones of the same run, video and split.
    package func store(_ predictions: [PredictionRecord], run: Int64) throws {
        try write { database in
            try database.run("INSERT OR REPLACE INTO prediction VALUES (?, ?, ?, ?, ?, ?, ?)", each: predictions) {
                [
                    run, $0.videoID, $0.split, $0.label, $0.predicted, $0.isScored ? $0.probability : nil,
                    $0.isScored ? Self.json($0.probabilities) : nil,
                ]
            }
        }
    }

    /// Stores metrics of a run by split and name, replacing earlier ones; those that are not finite are left out.
    package func store(_ metrics: [(split: String, name: String, value: Double)], run: Int64) throws {
        try write { database in
            try database.run("DELETE FROM metric WHERE run_id = ?", [run])
            try database.run(
                "INSERT OR REPLACE INTO metric (run_id, split, name, value) VALUES (?, ?, ?, ?)",
                each: metrics.filter(\.value.isFinite)
            ) { [run, $0.split, $0.name, $0.value] }
        }
    }

    package func finishRun(_ run: Int64, state: RunState) throws {
        try write("UPDATE run SET state = ?, finished_at = ? WHERE id = ?", [state.rawValue, Self.now(), run])
    }

    package func run(named name: String) throws -> Int64? {
        try read { try Int64.one($0, "SELECT id FROM run WHERE name = ?", [name]) }
    }

    /// Predictions of a run for one split, ordered by video.
    package func predictions(run: Int64, split: String) throws -> [PredictionRecord] {
        try rows("SELECT * FROM prediction WHERE run_id = ? AND split = ? ORDER BY video_id", [run, split]) { row in
            let text: String = try row.get("probabilities") ?? ""
            // Older versions wrote NaN, which is not valid JSON.
            let probabilities = (try? JSONDecoder().decode([Double].self, from: Data(text.utf8))) ?? []
            let (video, label): (Int64, String) = try (row.get("video_id"), row.get("label"))
            guard let probability: Double = try row.get("probability"), !probabilities.isEmpty else {
                return .unscored(videoID: video, split: split, label: label)
            }
            return try PredictionRecord(
                videoID: video, split: split, label: label, predicted: row.get("predicted"),
                probability: probability, probabilities: probabilities)
        }
    }

    /// Stores a run's out-of-fold predictions, replacing earlier ones.
    package func store(_ folds: [FoldRecord], run: Int64) throws {
        try write { database in
            try database.run(Schema.folds)
            try database.run("DELETE FROM fold WHERE run_id = ?", [run])
            try database.run("INSERT INTO fold VALUES (?, ?, ?, ?, ?, ?)", each: folds) {
                [run, $0.videoID, $0.number, $0.fold, $0.predicted, Self.json($0.probabilities)]
            }
        }
    }

    /// The held-out clips of each model of a run, by repetition and fold, both from 1.
    package func heldOutClips(run: Int64) throws -> [(repeat: Int, fold: Int, videoID: Int64)] {
        try read { database in
            guard try database.tableExists("fold") else { return [] }
            return try database.rows(
                "SELECT repeat, fold, video_id FROM fold WHERE run_id = ? ORDER BY repeat, fold, video_id", [run]
            ).map { try ($0.get(0), $0.get(1), $0.get(2)) }
        }
    }
}

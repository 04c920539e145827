import Foundation
import GRDB

/// How a run stands.
public enum RunState: String, Sendable {
    case running, finished, interrupted, failed, diverged
}

/// One epoch's figures.
public struct EpochRecord: Sendable, Equatable, Codable {
    /// From 1.
    public let epoch: Int
    /// In force during the epoch.
    public let learningRate: Double
    /// Mean cross-entropy over the epoch, in nats, dropout included.
    public let trainLoss: Double
    /// Share of training clips named rightly while they were trained on.
    public let trainAccuracy: Double
    /// Nil where there is no validation part.
    public let validationLoss: Double?
    /// Share of validation clips named rightly; nil without validation.
    public let validationAccuracy: Double?
    /// Wall-clock time of the epoch, validation included.
    public let seconds: Double

    /// All parts, as they are.
    public init(
        epoch: Int, learningRate: Double, trainLoss: Double, trainAccuracy: Double, validationLoss: Double?,
        validationAccuracy: Double?, seconds: Double
    ) {
        self.epoch = epoch
        self.learningRate = learningRate
        self.trainLoss = trainLoss
        self.trainAccuracy = trainAccuracy
        self.validationLoss = validationLoss
        self.validationAccuracy = validationAccuracy
        self.seconds = seconds
    }
}

/// What a head said of one video.
public struct PredictionRecord: Sendable, Equatable {
    /// Row of `video`.
    public let videoID: Int64
    /// `train`, `validation` or `test`, as the run used it.
    public let split: String
    /// True class.
    public let label: String
    /// Most probable class; empty if the head gave no numbers.
    public let predicted: String
    /// Of the predicted class.
    public let probability: Double
    /// In the order of the run's labels.
    public let probabilities: [Double]

    /// All parts, as they are.
    public init(
        videoID: Int64, split: String, label: String, predicted: String, probability: Double, probabilities: [Double]
    ) {
        self.videoID = videoID
        self.split = split
        self.label = label
        self.predicted = predicted
        self.probability = probability
        self.probabilities = probabilities
    }

    /// A clip for which a head gave NaN or infinity: a wrong answer, stored without a class and without probabilities.
    public static func unscored(videoID: Int64, split: String, label: String) -> PredictionRecord {
        PredictionRecord(
            videoID: videoID, split: split, label: label, predicted: "", probability: .nan, probabilities: [])
    }

    /// Whether the probabilities are numbers.
    public var isScored: Bool { probability.isFinite && !probabilities.isEmpty }
}

/// Runs, epochs and predictions.
extension CacheFile {
    /// Begins a run; one that makes its own features has no extraction yet.
    ///
    /// - Throws: `CacheError.runExists`.
    public func addRun(
        name: String, extraction: Int64?, dataset: String, model: String, configuration: String, seed: Int
    ) throws -> Int64 {
        try write { database in
            if try Int64.fetchOne(database, sql: "SELECT id FROM run WHERE name = ?", arguments: [name]) != nil {
                throw CacheError.runExists(name: name)
            }
            try database.execute(
                sql: """
                    INSERT INTO run (name, extraction_id, dataset, model, configuration, seed, state, started_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    name, extraction, dataset, model, configuration, seed, RunState.running.rawValue, Self.now(),
                ])
            return database.lastInsertedRowID
        }
    }

    /// Removes a run with its epochs and predictions, unless it ended well.
    ///
    /// - Throws: `CacheError.runExists` for a finished run.
    public func removeRun(named name: String) throws {
        try write { database in
            let row = try Row.fetchOne(database, sql: "SELECT id, state FROM run WHERE name = ?", arguments: [name])
            guard let row else { return }
            if try row.get("state") == RunState.finished.rawValue { throw CacheError.runExists(name: name) }
            for table in ["epoch", "prediction", "membership"] {
                try database.execute(sql: "DELETE FROM \(table) WHERE run_id = ?", arguments: [row.get("id") as Int64])
            }
            try database.execute(sql: "DELETE FROM run WHERE id = ?", arguments: [row.get("id") as Int64])
        }
    }

    /// Says on which features a run's head works.
    public func setExtraction(_ extraction: Int64, run: Int64) throws {
        try write { database in
            try database.execute(
                sql: "UPDATE run SET extraction_id = ? WHERE id = ?", arguments: [extraction, run])
        }
    }

    /// Says that a run goes on.
    public func resumeRun(_ run: Int64) throws {
        try write { database in
            try database.execute(
                sql: "UPDATE run SET state = ?, finished_at = NULL WHERE id = ?",
                arguments: [RunState.running.rawValue, run])
        }
    }

    /// Stores the figures of an epoch, replacing earlier ones of the same number.
    public func addEpoch(_ epoch: EpochRecord, run: Int64) throws {
        try write { database in
            try database.execute(
                sql: "INSERT OR REPLACE INTO epoch VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    run, epoch.epoch, epoch.learningRate, epoch.trainLoss, epoch.trainAccuracy, epoch.validationLoss,
                    epoch.validationAccuracy, epoch.seconds,
                ])
        }
    }

    /// All epochs of a run, in order.
    public func epochs(run: Int64) throws -> [EpochRecord] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM epoch WHERE run_id = ? ORDER BY epoch", arguments: [run]).map
            {
                try EpochRecord(
                    epoch: $0.get("epoch"), learningRate: $0.get("learning_rate"), trainLoss: $0.get("train_loss"),
                    trainAccuracy: $0.get("train_accuracy"), validationLoss: $0.get("validation_loss"),
                    validationAccuracy: $0.get("validation_accuracy"), seconds: $0.get("seconds"))
            }
        }
    }

    /// Stores predictions, replacing earlier ones of the same run, video and split.
    public func store(_ predictions: [PredictionRecord], run: Int64) throws {
        try write { database in
            let statement = try database.makeStatement(
                sql: "INSERT OR REPLACE INTO prediction VALUES (?, ?, ?, ?, ?, ?, ?)")
            for prediction in predictions {
                try statement.execute(arguments: [
                    run, prediction.videoID, prediction.split, prediction.label, prediction.predicted,
                    prediction.isScored ? prediction.probability : nil,
                    prediction.isScored ? Self.json(prediction.probabilities) : nil,
                ])
            }
        }
    }

    /// Notes how a run ended, and when.
    public func finishRun(_ run: Int64, state: RunState) throws {
        try write { database in
            try database.execute(
                sql: "UPDATE run SET state = ?, finished_at = ? WHERE id = ?",
                arguments: [state.rawValue, Self.now(), run])
        }
    }

    /// The id of the run of that name, or nil.
    public func run(named name: String) throws -> Int64? {
        try read { try Int64.fetchOne($0, sql: "SELECT id FROM run WHERE name = ?", arguments: [name]) }
    }

    /// Predictions of a run for one split, ordered by video.
    public func predictions(run: Int64, split: String) throws -> [PredictionRecord] {
        try read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM prediction WHERE run_id = ? AND split = ? ORDER BY video_id",
                arguments: [run, split]
            ).map { row in
                let text: String = try row.get("probabilities") ?? ""
                // Older versions wrote NaN, which JSON does not have.
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
    }
}

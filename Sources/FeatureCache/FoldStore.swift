import Foundation
import GRDB

/// What one model of a cross-validated run says of a clip that was held out from it.
public struct FoldRecord: Sendable, Equatable {
    /// Row of `video`.
    public let videoID: Int64
    /// Which cut, from 1.
    public let number: Int
    /// Which part of it, from 1.
    public let fold: Int
    /// Most probable class.
    public let predicted: String
    /// In the order of the run's labels.
    public let probabilities: [Double]

    /// All parts, as they are.
    public init(videoID: Int64, number: Int, fold: Int, predicted: String, probabilities: [Double]) {
        self.videoID = videoID
        self.number = number
        self.fold = fold
        self.predicted = predicted
        self.probabilities = probabilities
    }
}

/// The table `fold`, which caches without cross-validated runs lack.
extension CacheFile {
    /// Stores what the models of a run say of the clips held out, in place of what was there.
    public func store(_ folds: [FoldRecord], run: Int64) throws {
        try write { database in
            try database.execute(sql: Schema.folds)
            try database.execute(sql: "DELETE FROM fold WHERE run_id = ?", arguments: [run])
            let statement = try database.makeStatement(sql: "INSERT INTO fold VALUES (?, ?, ?, ?, ?, ?)")
            for fold in folds {
                try statement.execute(arguments: [
                    run, fold.videoID, fold.number, fold.fold, fold.predicted, Self.json(fold.probabilities),
                ])
            }
        }
    }

    /// The clips held out from each model of a run, by repeat and fold, both from 1.
    public func heldOutClips(run: Int64) throws -> [(repeat: Int, fold: Int, videoID: Int64)] {
        try read { database in
            guard try database.tableExists("fold") else { return [] }
            return try Row.fetchAll(
                database,
                sql: "SELECT repeat, fold, video_id FROM fold WHERE run_id = ? ORDER BY repeat, fold, video_id",
                arguments: [run]
            ).map { try ($0.get(0), $0.get(1), $0.get(2)) }
        }
    }
}

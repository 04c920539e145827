import Foundation
import GRDB

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

/// The table `fold`, which exists only in caches with cross-validated runs.
extension CacheFile {
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

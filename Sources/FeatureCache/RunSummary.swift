import Datasets
import Foundation

package struct RunSummary: Sendable, Equatable, Encodable {
    package let name: String
    /// One-line description of its head.
    package let model: String
    package let dataset, backbone: String
    /// Seed of initial weights, shuffling, dropout and the validation split.
    package let seed: Int
    /// `running`, `finished`, `interrupted`, `failed` or `diverged`.
    package let state: String
    /// ISO 8601, UTC.
    package let startedAt: String
    package let epochs: Int
    /// Wall-clock time of all epochs.
    package let seconds: Double
    /// Of the selected weights, in runs of older versions the minimum over all epochs; nil without a validation set.
    package let validationLoss: Double?
    /// Of the selected weights; nil without a validation set.
    package let validationAccuracy: Double?
    /// Of the selected weights; nil without test clips.
    package let testAccuracy: Double?
    /// Nil for one class a clip.
    package var task: DatasetConfiguration.Task?
    /// Mean average precision of several labels a clip, of the selected weights; nil for one class a clip.
    package var validationMAP, testMAP: Double?

    enum CodingKeys: String, CodingKey {
        case name, model, dataset, backbone, seed, state, epochs, seconds, task, startedAt = "started_at"
        case validationMAP = "validation_map", testMAP = "test_map"
        case validationLoss = "validation_loss", validationAccuracy = "validation_accuracy"
        case testAccuracy = "test_accuracy"
    }
}

package struct UsedClip: Sendable, Equatable {
    package let videoID: Int64
    package let digest, path, label, split: String
}

extension CacheFile {
    /// All runs, oldest first.
    package func runs() throws -> [RunSummary] {
        try rows(
            """
            SELECT run.name, model, dataset, backbone, seed, state, started_at,
              (SELECT count(*) FROM epoch WHERE run_id = run.id) AS epochs,
              (SELECT coalesce(sum(seconds), 0) FROM epoch WHERE run_id = run.id) AS seconds,
              (SELECT coalesce((SELECT value FROM metric WHERE run_id = run.id AND split = 'validation'
                AND metric.name = 'loss'), min(validation_loss)) FROM epoch WHERE run_id = run.id
                AND validation_loss IS NOT NULL) AS validation_loss,
              (SELECT avg(label = predicted) FROM prediction WHERE run_id = run.id AND split = 'validation')
                AS validation_accuracy,
              (SELECT avg(label = predicted) FROM prediction WHERE run_id = run.id AND split = 'test')
                AS test_accuracy,
              (SELECT value FROM metric WHERE run_id = run.id AND split = 'validation'
                AND metric.name = 'mean_average_precision') AS validation_map,
              (SELECT value FROM metric WHERE run_id = run.id AND split = 'test'
                AND metric.name = 'mean_average_precision') AS test_map, task
            FROM run LEFT JOIN extraction ON extraction.id = run.extraction_id ORDER BY run.id
            """
        ) { row in
            var summary = try RunSummary(
                name: row.get("name"), model: row.get("model"), dataset: row.get("dataset") ?? "",
                backbone: row.get("backbone") ?? "", seed: row.get("seed") ?? 0, state: row.get("state"),
                startedAt: row.get("started_at") ?? "", epochs: row.get("epochs"), seconds: row.get("seconds"),
                validationLoss: row.get("validation_loss"), validationAccuracy: row.get("validation_accuracy"),
                testAccuracy: row.get("test_accuracy"))
            if try row.get("task") == DatasetConfiguration.Task.multilabel.rawValue {
                summary.task = .multilabel
                (summary.validationMAP, summary.testMAP) = try (row.get("validation_map"), row.get("test_map"))
            }
            return summary
        }
    }

    /// The source of each video of a data set that has one, by row ID.
    package func groups(dataset: String) throws -> [Int64: String] {
        let sql = "SELECT video_id, \"group\" FROM sample WHERE dataset = ? AND \"group\" IS NOT NULL"
        return try read { try $0.pairs(sql, [dataset]) }
    }

    /// The clips that a run predicted, which are all it used, ordered by path.
    package func clips(run: Int64) throws -> [UsedClip] {
        try rows(
            """
            SELECT video_id, digest, path, label, split FROM prediction JOIN video ON video.id = video_id
            WHERE run_id = ? ORDER BY path, video_id
            """, [run]
        ) { try UsedClip(videoID: $0.get(0), digest: $0.get(1), path: $0.get(2), label: $0.get(3), split: $0.get(4)) }
    }

    /// The rows of one clip's unaugmented view and the times of its frames in seconds, or nil.
    package func sequence(extraction: Int64, video: Int64) throws -> (rows: [Float], times: [Double])? {
        let found = try read { database in
            try database.row(
                """
                SELECT length, frame_times, length(features) AS bytes FROM sequence
                WHERE extraction_id = ? AND video_id = ? AND view = 0
                """, [extraction, video]
            ).map {
                try (
                    length: $0.get("length") as Int, times: $0.get("frame_times") as String,
                    bytes: $0.get("bytes") as Int? ?? 0
                )
            }
        }
        guard let found, found.length > 0 else { return nil }
        let size = try read { database in
            try Int.one(database, "SELECT feature_size FROM extraction WHERE id = ?", [extraction]) ?? 0
        }
        guard StoredSize.fits(found.length, of: size, as: .float16, in: found.bytes) else {
            throw CacheError.damagedSequence(path: path, video: "number \(video)")
        }
        check.begin()
        let reader = try SequenceReader(path: path, extraction: extraction, check: check)
        let span = FeatureSet.Span(videoID: video, firstRow: 0, length: found.length)
        let times = (try? JSONDecoder().decode([Double].self, from: Data(found.times.utf8))) ?? []
        return (try reader.read([span], featureSize: size).rows, times)
    }
}

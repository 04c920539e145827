import GRDB

/// What is known of a video without opening it again.
public struct VideoFacts: Sendable {
    /// Relative to the dataset's root.
    public let path: String
    /// Class.
    public let label: String
    /// Part of the dataset.
    public let split: String
    /// Pixels; nil where nobody opened it.
    public let width, height: Int?
    /// Frames a second.
    public let frameRate: Double?
    /// Seconds.
    public let duration: Double?
    /// Damaged stretches that were skipped.
    public let decodeErrors: Int
}

extension CacheFile {
    /// The videos of a dataset with features under a recipe, ordered by path.
    public func videoFacts(dataset: String, extraction: Int64) throws -> [VideoFacts] {
        try read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT path, label, split, width, height, frame_rate, duration, decode_errors FROM sample
                      JOIN video ON video.id = sample.video_id
                      JOIN sequence ON sequence.video_id = sample.video_id AND extraction_id = ? AND view = 0
                    WHERE dataset = ? ORDER BY path
                    """, arguments: [extraction, dataset]
            ).map {
                VideoFacts(
                    path: $0[0], label: $0[1], split: $0[2], width: $0[3], height: $0[4], frameRate: $0[5],
                    duration: $0[6], decodeErrors: $0[7])
            }
        }
    }
}

import GRDB

package struct VideoFacts: Sendable {
    package let path, label, split: String
    /// In pixels; nil if the video was never opened.
    package let width, height: Int?
    package let frameRate: Double?
    /// In seconds.
    package let duration: Double?
    /// Damaged parts that were skipped.
    package let decodeErrors: Int
}

extension CacheFile {
    /// Number of sequences by the row ID of their recipe.
    package func sequenceCounts() throws -> [Int64: Int] {
        try read { database in
            let rows = try database.rows("SELECT extraction_id, count(*) FROM sequence GROUP BY extraction_id")
            return try Dictionary(rows.map { try ($0.get(0), $0.get(1)) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// The videos of a data set with an unaugmented view under a recipe; `length` is the number of its frames.
    package func extractedClips(
        dataset: String, extraction: Int64
    ) throws -> [(path: String, digest: String, length: Int)] {
        try rows(
            """
            SELECT path, digest, length FROM sample JOIN video ON video.id = sample.video_id
              JOIN sequence ON sequence.video_id = sample.video_id AND extraction_id = ? AND view = 0
            WHERE dataset = ?
            """, [extraction, dataset]
        ) { try ($0.get(0), $0.get(1), $0.get(2)) }
    }

    /// The videos of a data set with features under a recipe, ordered by path.
    package func videoFacts(dataset: String, extraction: Int64) throws -> [VideoFacts] {
        try rows(
            """
            SELECT path, label, split, width, height, frame_rate, duration, decode_errors FROM sample
              JOIN video ON video.id = sample.video_id
              JOIN sequence ON sequence.video_id = sample.video_id AND extraction_id = ? AND view = 0
            WHERE dataset = ? ORDER BY path
            """, [extraction, dataset]
        ) {
            try VideoFacts(
                path: $0.get(0), label: $0.get(1), split: $0.get(2), width: $0.get(3), height: $0.get(4),
                frameRate: $0.get(5), duration: $0.get(6), decodeErrors: $0.get(7))
        }
    }
}

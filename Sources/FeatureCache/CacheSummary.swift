import Foundation
import GRDB

package struct CacheSummary: Sendable, Encodable, Equatable {
    package struct Recipe: Sendable, Encodable, Equatable {
        package let name, digest, backbone, weights, tap: String
        /// Side of the square input image, in pixels.
        package let imageSize: Int
        package let maxFrames: Int
        /// JSON, such as `[2048]`.
        package let featureShape: String
        package let elementType, precision: String
        package let videos, sequences, bytes, failures, runs: Int
    }

    /// Coverage of a data set by the features of each recipe.
    package struct Coverage: Sendable, Encodable, Equatable {
        package let dataset, split: String
        package let classes, videos: Int
        /// Number of videos with features, by the recipe's digest.
        package let extracted: [String: Int]
    }

    package let path: String
    /// Size of the file without its write-ahead log.
    package let bytes: Int
    /// Bytes that `cache prune` would release without removing anything.
    package let freeBytes: Int
    /// `PRAGMA user_version`.
    package let schemaVersion: Int
    /// In order of first use.
    package let recipes: [Recipe]
    /// For every data set and split, sorted.
    package let coverage: [Coverage]
    package let runs: Int
}

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
    /// Summarises the cache without reading features.
    package func summary() throws -> CacheSummary {
        try read { database in
            func number(_ sql: String) throws -> Int { try Int.one(database, sql) ?? 0 }
            let page = try number("PRAGMA page_size")
            return CacheSummary(
                path: path, bytes: try number("PRAGMA page_count") * page,
                freeBytes: try number("PRAGMA freelist_count") * page,
                schemaVersion: try number("PRAGMA user_version"), recipes: try Self.recipes(database),
                coverage: try Self.coverage(database), runs: try number("SELECT count(*) FROM run"))
        }
    }

    private static func recipes(_ database: Database) throws -> [CacheSummary.Recipe] {
        try database.rows(
            """
            SELECT extraction.*,
              (SELECT count(DISTINCT video_id) FROM sequence WHERE extraction_id = extraction.id) AS videos,
              (SELECT count(*) FROM sequence WHERE extraction_id = extraction.id) AS sequences,
              (SELECT count(*) FROM failure WHERE extraction_id = extraction.id) AS failures,
              (SELECT count(*) FROM run WHERE extraction_id = extraction.id) AS runs
            FROM extraction ORDER BY id
            """
        ).map { row in
            let type: String = try row.get("element_type")
            let (frames, size): (Int, Int) = try (row.get("max_frames"), row.get("feature_size"))
            let numbers = StoredSize.isPossible(frames: frames, numbers: size) ? frames * size : 0
            return try CacheSummary.Recipe(
                name: row.get("name"), digest: row.get("digest"), backbone: row.get("backbone"),
                weights: row.get("weights"), tap: row.get("tap"), imageSize: row.get("image_size"), maxFrames: frames,
                featureShape: row.get("feature_shape"), elementType: type, precision: row.get("precision"),
                videos: row.get("videos"), sequences: row.get("sequences"),
                bytes: (row.get("sequences") as Int) * numbers * (StoredType(rawValue: type) ?? .float32).bytes,
                failures: row.get("failures"), runs: row.get("runs"))
        }
    }

    private static func coverage(_ database: Database) throws -> [CacheSummary.Coverage] {
        let extracted = try database.rows(
            """
            SELECT dataset, split, extraction.digest, count(*) AS videos
            FROM sample JOIN sequence ON sequence.video_id = sample.video_id AND sequence.view = 0
              JOIN extraction ON extraction.id = extraction_id GROUP BY dataset, split, extraction.id
            """)
        return try database.rows(
            """
            SELECT dataset, split, count(*) AS videos FROM sample GROUP BY dataset, split ORDER BY dataset, split
            """
        ).map { row in
            let (dataset, split) = try (row.get("dataset") as String, row.get("split") as String)
            let own = try extracted.filter { try $0.get("dataset") == dataset && $0.get("split") == split }
            return try CacheSummary.Coverage(
                dataset: dataset, split: split, classes: labels(dataset: dataset, split: split, in: database).count,
                videos: row.get("videos"),
                extracted: Dictionary(
                    own.map { try ($0.get("digest") as String, $0.get("videos") as Int) }, uniquingKeysWith: { $1 }))
        }
    }

    /// Number of sequences by the row ID of their recipe.
    package func sequenceCounts() throws -> [Int64: Int] {
        try read { try $0.pairs("SELECT extraction_id, count(*) FROM sequence GROUP BY extraction_id") }
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

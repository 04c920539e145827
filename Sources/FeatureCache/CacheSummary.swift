import Foundation
import GRDB

/// What a cache holds, at a glance.
public struct CacheSummary: Sendable, Encodable, Equatable {
    /// One recipe.
    public struct Recipe: Sendable, Encodable, Equatable {
        /// The pipeline's name when it was first used.
        public let name: String
        /// SHA-256 of what changes a feature, hex.
        public let digest: String
        /// Name of the network.
        public let backbone: String
        /// The weight file as the pipeline named it, or `random`.
        public let weights: String
        /// Where features are taken.
        public let tap: String
        /// Side of the square picture, in pixels.
        public let imageSize: Int
        /// Rows of every sequence.
        public let maxFrames: Int
        /// JSON, such as `[2048]`.
        public let featureShape: String
        /// `float32` or `float16`.
        public let elementType: String
        /// Such as `f32`.
        public let precision: String
        /// Videos that have features.
        public let videos: Int
        /// Views of all videos.
        public let sequences: Int
        /// Of all features.
        public let bytes: Int
        /// Clips that could not be extracted.
        public let failures: Int
        /// Runs that were trained on it.
        public let runs: Int
    }

    /// How much of a dataset has features of one recipe.
    public struct Coverage: Sendable, Encodable, Equatable {
        /// Name of the dataset.
        public let dataset: String
        /// `train`, `validation` or `test`.
        public let split: String
        /// Classes.
        public let classes: Int
        /// Videos.
        public let videos: Int
        /// Videos with features, by the digest of the recipe.
        public let extracted: [String: Int]
    }

    /// As it was opened.
    public let path: String
    /// Of the file, without its journal.
    public let bytes: Int
    /// What `cache prune` would give back without removing anything.
    public let freeBytes: Int
    /// `PRAGMA user_version`.
    public let schemaVersion: Int
    /// In the order in which they were first used.
    public let recipes: [Recipe]
    /// Of every dataset and split, sorted.
    public let coverage: [Coverage]
    /// Trained heads.
    public let runs: Int
}

extension CacheFile {
    /// What the cache holds. Reads no features.
    public func summary() throws -> CacheSummary {
        try read { database in
            func number(_ sql: String) throws -> Int { try Int.fetchOne(database, sql: sql) ?? 0 }
            let page = try number("PRAGMA page_size")
            return CacheSummary(
                path: path, bytes: try number("PRAGMA page_count") * page,
                freeBytes: try number("PRAGMA freelist_count") * page,
                schemaVersion: try number("PRAGMA user_version"), recipes: try Self.recipes(database),
                coverage: try Self.coverage(database), runs: try number("SELECT count(*) FROM run"))
        }
    }

    private static func recipes(_ database: Database) throws -> [CacheSummary.Recipe] {
        try Row.fetchAll(
            database,
            sql: """
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
                weights: row.get("weights"),
                tap: row.get("tap"), imageSize: row.get("image_size"), maxFrames: frames,
                featureShape: row.get("feature_shape"), elementType: type, precision: row.get("precision"),
                videos: row.get("videos"), sequences: row.get("sequences"),
                bytes: (row.get("sequences") as Int) * numbers * (StoredType(rawValue: type) ?? .float32).bytes,
                failures: row.get("failures"),
                runs: row.get("runs"))
        }
    }

    private static func coverage(_ database: Database) throws -> [CacheSummary.Coverage] {
        let extracted = try Row.fetchAll(
            database,
            sql: """
                SELECT dataset, split, extraction.digest, count(*) AS videos
                FROM sample JOIN sequence ON sequence.video_id = sample.video_id AND sequence.view = 0
                  JOIN extraction ON extraction.id = extraction_id GROUP BY dataset, split, extraction.id
                """)
        return try Row.fetchAll(
            database,
            sql: """
                SELECT dataset, split, count(DISTINCT label) AS classes, count(*) AS videos FROM sample
                GROUP BY dataset, split ORDER BY dataset, split
                """
        ).map { row in
            let (dataset, split) = try (row.get("dataset") as String, row.get("split") as String)
            let own = try extracted.filter { try $0.get("dataset") == dataset && $0.get("split") == split }
            return try CacheSummary.Coverage(
                dataset: dataset, split: split, classes: row.get("classes"), videos: row.get("videos"),
                extracted: Dictionary(
                    own.map { try ($0.get("digest") as String, $0.get("videos") as Int) }, uniquingKeysWith: { $1 }))
        }
    }
}

import Foundation
import GRDB

/// Sequences as stage 2 trains on them: valid rows only, one after the other.
public struct FeatureSet: Sendable {
    /// One video of a dataset.
    public struct Example: Sendable, Equatable {
        /// Row of `video`.
        public let videoID: Int64
        /// Relative to the dataset root.
        public let path: String
        /// Class.
        public let label: String
        /// As the dataset says; `sequence` carves validation out of train where it lacks one.
        public let split: String
        /// Source that clips have in common, or nil.
        public let group: String?
        /// Valid rows.
        public let length: Int
        /// Index of its first row in `rows`.
        public let firstRow: Int

        /// All parts, as they are.
        public init(
            videoID: Int64, path: String, label: String, split: String, group: String?, length: Int, firstRow: Int
        ) {
            self.videoID = videoID
            self.path = path
            self.label = label
            self.split = split
            self.group = group
            self.length = length
            self.firstRow = firstRow
        }
    }

    /// In the order of their paths.
    public let examples: [Example]
    /// Numbers in a row.
    public let featureSize: Int
    /// `[row, feature]` of all examples.
    public let rows: [Float]

    /// All parts, as they are.
    public init(examples: [Example], featureSize: Int, rows: [Float]) {
        self.examples = examples
        self.featureSize = featureSize
        self.rows = rows
    }
}

/// What stage 2 reads.
extension CacheFile {
    /// Every recipe with its row id, newest first.
    public func extractions() throws -> [(id: Int64, record: ExtractionRecord)] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM extraction ORDER BY id DESC").map { row in
                let shape = try JSONDecoder().decode([Int].self, from: Data((row["feature_shape"] as String).utf8))
                let record = ExtractionRecord(
                    digest: row["digest"], name: row["name"], backbone: row["backbone"], weights: row["weights"],
                    weightsDigest: row["weights_digest"], tap: row["tap"], imageSize: row["image_size"],
                    maxFrames: row["max_frames"], featureShape: shape, precision: row["precision"],
                    recipe: row["recipe"], version: row["version"])
                return (row["id"], record)
            }
        }
    }

    /// The datasets that samples belong to, sorted.
    public func datasets() throws -> [String] {
        try read { try String.fetchAll($0, sql: "SELECT DISTINCT dataset FROM sample ORDER BY dataset") }
    }

    /// All sequences (view 0) of a dataset under a recipe, ordered by path so that nothing depends on the
    /// order of extraction.
    ///
    /// - Parameter labels: classes to keep; nil keeps all.
    /// - Throws: `CacheError.damagedSequence` where a row's blob is not as long as its recipe says.
    public func features(dataset: String, extraction: Int64, labels: Set<String>? = nil) throws -> FeatureSet {
        try read { database in
            let size =
                try Int.fetchOne(
                    database, sql: "SELECT feature_size FROM extraction WHERE id = ?", arguments: [extraction]) ?? 0
            let source = """
                FROM sample JOIN sequence ON sequence.video_id = sample.video_id AND sequence.view = 0
                  JOIN video ON video.id = sample.video_id
                WHERE sample.dataset = ? AND sequence.extraction_id = ?
                """
            let count =
                try Int.fetchOne(
                    database, sql: "SELECT sum(length) \(source)", arguments: [dataset, extraction]) ?? 0
            var examples: [FeatureSet.Example] = []
            var rows: [Float] = []
            rows.reserveCapacity(count * size)
            let cursor = try Row.fetchCursor(
                database,
                sql: """
                    SELECT sample.video_id, video.path, label, split, "group", length, features \(source)
                    ORDER BY video.path, video.digest
                    """,
                arguments: [dataset, extraction])
            while let row = try cursor.next() {
                let label: String = row[2]
                if let labels, !labels.contains(label) { continue }
                let length: Int = row[5]
                let isWhole = try row.withUnsafeData(atIndex: 6) { data in
                    guard let data, length > 0, data.count >= length * size * 4 else { return false }
                    Self.append(data.prefix(length * size * 4), to: &rows)
                    return true
                }
                guard isWhole else { throw CacheError.damagedSequence(path: path, video: row[1]) }
                examples.append(
                    .init(
                        videoID: row[0], path: row[1], label: label, split: row[3], group: row[4], length: length,
                        firstRow: rows.count / max(1, size) - length))
            }
            return FeatureSet(examples: examples, featureSize: size, rows: rows)
        }
    }

    private static func append(_ bytes: Data, to rows: inout [Float]) {
        bytes.withUnsafeBytes { raw in
            // A blob in SQLite's page need not be aligned; copying bytes does not care.
            let count = raw.count / 4
            rows.append(
                contentsOf: [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
                    UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
                    initialized = count
                })
        }
    }
}

extension CacheFile {
    /// Label and split of every sample of a dataset.
    public func samples(dataset: String) throws -> [(label: String, split: String)] {
        try read { database in
            try Row.fetchAll(
                database, sql: "SELECT label, split FROM sample WHERE dataset = ? ORDER BY video_id",
                arguments: [dataset]
            ).map { ($0["label"], $0["split"]) }
        }
    }
}

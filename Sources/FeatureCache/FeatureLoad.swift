import Dispatch
import Digests
import Foundation
import GRDB
import Synchronization

/// Sequences as stage 2 trains on them: valid rows only, in memory or read when they are asked for.
public struct FeatureSet: Sendable {
    /// Where the rows of one view of one video are.
    public struct Span: Sendable, Equatable {
        /// Row of `video`.
        public let videoID: Int64
        /// 0 is the plain view.
        public let view: Int
        /// Index of its first row among the rows in memory; inside its own sequence where rows are streamed.
        public let firstRow: Int
        /// Valid rows.
        public let length: Int

        /// All parts, as they are.
        public init(videoID: Int64, view: Int = 0, firstRow: Int, length: Int) {
            self.videoID = videoID
            self.view = view
            self.firstRow = firstRow
            self.length = length
        }

        /// Each row as a span of its own.
        public var frames: [Span] {
            (0..<length).map { Span(videoID: videoID, view: view, firstRow: firstRow + $0, length: 1) }
        }
    }

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
        /// One for each cached view, the plain one first.
        public let views: [Span]

        /// All parts, as they are.
        public init(videoID: Int64, path: String, label: String, split: String, group: String?, views: [Span]) {
            self.videoID = videoID
            self.path = path
            self.label = label
            self.split = split
            self.group = group
            self.views = views
        }

        /// With the plain view alone.
        public init(
            videoID: Int64, path: String, label: String, split: String, group: String?, length: Int, firstRow: Int
        ) {
            self.init(
                videoID: videoID, path: path, label: label, split: split, group: group,
                views: [Span(videoID: videoID, firstRow: firstRow, length: length)])
        }

        /// Valid rows of the plain view.
        public var length: Int { views[0].length }
        /// First row of the plain view.
        public var firstRow: Int { views[0].firstRow }
    }

    /// Where the numbers are.
    public enum Storage: Sendable {
        /// `[row, feature]` of all examples.
        case memory([Float])
        /// In the cache.
        case streamed(SequenceReader)
    }

    /// In the order of their paths.
    public let examples: [Example]
    /// Numbers in a row.
    public let featureSize: Int
    /// Where the numbers are.
    public let storage: Storage

    /// All rows, where they are in memory; else none.
    public var rows: [Float] { if case .memory(let rows) = storage { rows } else { [] } }

    /// Source of each video that has one, by its row.
    public var groups: [Int64: String] {
        Dictionary(
            examples.compactMap { example in example.group.map { (example.videoID, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// All parts, as they are.
    public init(examples: [Example], featureSize: Int, storage: Storage) {
        self.examples = examples
        self.featureSize = featureSize
        self.storage = storage
    }

    /// With all rows in memory.
    public init(examples: [Example], featureSize: Int, rows: [Float]) {
        self.init(examples: examples, featureSize: featureSize, storage: .memory(rows))
    }

    /// Rows `[row, feature]` that hold the spans, and at which row each begins. Copies nothing where all are in
    /// memory. May be called from any thread.
    ///
    /// - Throws: `CacheError`, where rows are streamed.
    public func gather(_ spans: [Span]) throws -> (rows: [Float], firstRows: [Int]) {
        switch storage {
        case .memory(let rows): return (rows, spans.map(\.firstRow))
        case .streamed(let reader): return try reader.read(spans, featureSize: featureSize)
        }
    }
}

/// What stage 2 reads.
extension CacheFile {
    /// Every recipe with its row id, newest first.
    public func extractions() throws -> [(id: Int64, record: ExtractionRecord)] {
        try read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM extraction ORDER BY id DESC").map { row in
                let id: Int64 = try row.get("id")
                let shape = try JSONDecoder().decode([Int].self, from: Data((row.get("feature_shape") as String).utf8))
                let record = try ExtractionRecord(
                    digest: row.get("digest"), name: row.get("name"), backbone: row.get("backbone"),
                    weights: row.get("weights"),
                    weightsDigest: row.get("weights_digest"), tap: row.get("tap"), imageSize: row.get("image_size"),
                    maxFrames: row.get("max_frames"), featureShape: shape,
                    elementType: StoredType(rawValue: row.get("element_type")) ?? .float32,
                    precision: row.get("precision"),
                    recipe: row.get("recipe"), version: row.get("version"))
                guard StoredSize.isPossible(frames: record.maxFrames, numbers: record.featureSize),
                    hexDigest(Data(record.recipe.utf8)) == record.digest
                else {
                    throw CacheError.damagedRecipe(path: path, id: id)
                }
                return (id, record)
            }
        }
    }

    /// The datasets that samples belong to, sorted.
    public func datasets() throws -> [String] {
        try read { try String.fetchAll($0, sql: "SELECT DISTINCT dataset FROM sample ORDER BY dataset") }
    }

    /// All sequences of a dataset under a recipe, ordered by path so that nothing depends on the order of
    /// extraction. Videos without the plain view are left out.
    ///
    /// - `labels`: classes to keep; nil keeps all.
    /// - `excluded`: paths of videos to leave out.
    /// - `chosen`: rows of videos to keep; nil keeps all.
    /// - `views`: how many views of each video, the plain one included.
    /// - `memory`: bytes that the features may take; where they need more they are read batch by batch.
    /// - Throws: `CacheError.damagedSequence` where a row's blob is not as long as its recipe says, `.damagedFeatures` where it
    ///   does not fit its checksum.
    public func features(
        dataset: String, extraction: Int64, labels: Set<String>? = nil, excluding excluded: Set<String> = [],
        videos chosen: Set<Int64>? = nil, views: Int = 1, memory: Int = .max
    ) throws -> FeatureSet {
        check.begin()
        defer { check.remember() }
        let (size, videos) = try read { database in
            let size =
                try Int.fetchOne(
                    database, sql: "SELECT feature_size FROM extraction WHERE id = ?", arguments: [extraction]) ?? 0
            let videos = try self.videos(dataset, extraction, labels, excluded, views, size: size, in: database)
            return (size, chosen.map { chosen in videos.filter { chosen.contains($0.videoID) } } ?? videos)
        }
        let count = videos.reduce(0) { $0 + $1.views.reduce(0) { $0 + $1.length } }
        if count * size * 4 > memory {
            let reader = try SequenceReader(path: path, extraction: extraction, check: check)
            return FeatureSet(examples: videos, featureSize: size, storage: .streamed(reader))
        }
        var first = 0
        let examples = videos.map { video in
            let spans = video.views.map { view in
                defer { first += view.length }
                return FeatureSet.Span(videoID: view.videoID, view: view.view, firstRow: first, length: view.length)
            }
            return FeatureSet.Example(
                videoID: video.videoID, path: video.path, label: video.label, split: video.split, group: video.group,
                views: spans)
        }
        let rows = try [Float](unsafeUninitializedCapacity: count * size) { buffer, initialized in
            Self.askForLargePages(UnsafeMutableRawBufferPointer(buffer))
            try fill(buffer, with: videos, extraction: extraction, featureSize: size)
            initialized = count * size
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }

    /// Asks the system for pages of 2 MB: most of the time of filling gigabytes goes into fresh pages.
    private static func askForLargePages(_ memory: UnsafeMutableRawBufferPointer) {
        #if os(Linux)
            let page = 2 << 20
            guard memory.count > 4 * page, let start = memory.baseAddress else { return }
            // A wish: nothing depends on it.
            madvise(start.alignedUp(toMultipleOf: page), memory.count - 2 * page, MADV_HUGEPAGE)
        #endif
    }

    /// Copies all sequences one after the other, by as many connections as there are cores: SQLite and the
    /// page faults of fresh memory keep one busy.
    private func fill(
        _ buffer: UnsafeMutableBufferPointer<Float>, with videos: [FeatureSet.Example], extraction: Int64,
        featureSize: Int
    ) throws {
        let lanes = max(1, min(ProcessInfo.processInfo.activeProcessorCount, videos.count / 64))
        let parts = (0..<lanes).map { videos[$0 * videos.count / lanes..<($0 + 1) * videos.count / lanes] }
        var firstRows: [Int] = []
        var first = 0
        for part in parts {
            firstRows.append(first)
            first += part.reduce(0) { $0 + $1.views.reduce(0) { $0 + $1.length } }
        }
        let failures = Mutex<[any Error]>([])
        let damaged = Mutex<[Int64]>([])
        let starts = firstRows
        // Safe: the parts are disjoint, and all are filled when `concurrentPerform` returns.
        nonisolated(unsafe) let target = buffer
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
            do {
                let reader = try SequenceReader(path: path, extraction: extraction, check: check)
                let found = try reader.read(
                    parts[lane], featureSize: featureSize, into: target, from: starts[lane])
                damaged.withLock { $0 += found }
            } catch {
                failures.withLock { $0.append(error) }
            }
        }
        if let error = failures.withLock({ $0.first }) { throw error }
        let rows = damaged.withLock(\.self)
        if !rows.isEmpty { throw try read { try Self.damage(rows, path: path, $0) } }
    }

    /// The videos of a dataset with their views; rows counted inside each sequence.
    private func videos(
        _ dataset: String, _ extraction: Int64, _ labels: Set<String>?, _ excluded: Set<String>, _ views: Int,
        size: Int, in database: Database
    ) throws -> [FeatureSet.Example] {
        let cursor = try Row.fetchCursor(
            database,
            sql: """
                SELECT sample.video_id, video.path, label, split, "group", sequence.view, length, length(features)
                FROM sample JOIN sequence ON sequence.video_id = sample.video_id
                  JOIN video ON video.id = sample.video_id
                WHERE sample.dataset = ? AND sequence.extraction_id = ? AND sequence.view < ? AND length > 0
                ORDER BY video.path, video.digest, sequence.view
                """,
            arguments: [dataset, extraction, views])
        var examples: [FeatureSet.Example] = []
        while let row = try cursor.next() {
            let label: String = try row.get(2)
            if let labels, !labels.contains(label) { continue }
            if try excluded.contains(row.get(1)) { continue }
            let span = try FeatureSet.Span(videoID: row.get(0), view: row.get(5), firstRow: 0, length: row.get(6))
            guard try StoredSize.fits(span.length, of: size, as: .float16, in: row.get(7) ?? 0) else {
                throw try CacheError.damagedSequence(path: path, video: row.get(1))
            }
            if span.view > 0, let last = examples.last {
                guard last.videoID == span.videoID else { continue }
                examples[examples.count - 1] = .init(
                    videoID: last.videoID, path: last.path, label: last.label, split: last.split, group: last.group,
                    views: last.views + [span])
            } else if span.view == 0 {
                try examples.append(
                    .init(
                        videoID: span.videoID, path: row.get(1), label: label, split: row.get(3), group: row.get(4),
                        views: [span]))
            }
        }
        return examples
    }
}

extension CacheFile {
    /// Videos of a dataset whose sequence holds no valid frame.
    public func emptySequences(dataset: String, extraction: Int64) throws -> Int {
        try read { database in
            try Int.fetchOne(
                database,
                sql: """
                    SELECT count(*) FROM sequence JOIN sample USING (video_id)
                    WHERE dataset = ? AND extraction_id = ? AND view = 0 AND length = 0
                    """,
                arguments: [dataset, extraction]) ?? 0
        }
    }

    /// Sampled frames a second: the median of the clips of a dataset under a recipe; nil where none has two frames.
    public func sampledRate(dataset: String, extraction: Int64) throws -> Double? {
        try read { database in
            let rates = try Double.fetchAll(
                database,
                sql: """
                    SELECT (length - 1) / (json_extract(frame_times, '$[' || (length - 1) || ']')
                      - json_extract(frame_times, '$[0]')) AS rate
                    FROM sequence JOIN sample USING (video_id)
                    WHERE dataset = ? AND extraction_id = ? AND view = 0 AND length > 1
                      AND json_extract(frame_times, '$[' || (length - 1) || ']') > json_extract(frame_times, '$[0]')
                    ORDER BY rate
                    """,
                arguments: [dataset, extraction])
            return rates.isEmpty ? nil : rates[rates.count / 2]
        }
    }

    /// Label and split of every sample of a dataset.
    public func samples(dataset: String) throws -> [(label: String, split: String)] {
        try read { database in
            try Row.fetchAll(
                database, sql: "SELECT label, split FROM sample WHERE dataset = ? ORDER BY video_id",
                arguments: [dataset]
            ).map { try ($0.get("label"), $0.get("split")) }
        }
    }
}

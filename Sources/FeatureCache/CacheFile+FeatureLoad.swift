import Digests
import Foundation
import GRDB
import Threads

extension CacheFile {
    /// Every recipe with its row ID, newest first.
    package func extractions() throws -> [StoredExtraction] {
        try rows("SELECT * FROM extraction ORDER BY id DESC") { row in
            let id: Int64 = try row.get("id")
            let text: String = try row.get("feature_shape")
            guard let shape = try? JSONDecoder().decode([Int].self, from: Data(text.utf8)) else {
                throw CacheError.damagedRecipe(path: path, id: id)
            }
            guard let size = StoredSize.product(shape), try size == row.get("feature_size"),
                try StoredSize.isPossible(frames: row.get("max_frames"), numbers: size)
            else { throw CacheError.damagedRecipe(path: path, id: id) }
            let record = try ExtractionRecord(
                digest: row.get("digest"), name: row.get("name"), backbone: row.get("backbone"),
                weights: row.get("weights"), weightsDigest: row.get("weights_digest"), tap: row.get("tap"),
                imageSize: row.get("image_size"), maxFrames: row.get("max_frames"), featureShape: shape,
                elementType: StoredType(rawValue: row.get("element_type")) ?? .float32,
                precision: row.get("precision"), recipe: row.get("recipe"), version: row.get("version"))
            guard hexDigest(Data(record.recipe.utf8)) == record.digest else {
                throw CacheError.damagedRecipe(path: path, id: id)
            }
            return StoredExtraction(id: id, record: record)
        }
    }

    package func datasets() throws -> [String] {
        try read { try String.all($0, "SELECT DISTINCT dataset FROM sample ORDER BY dataset") }
    }

    /// All sequences of a data set under a recipe, ordered by path so that results do not depend on the order of
    /// extraction. Videos without the unaugmented view are omitted. `labels`: classes to keep; nil keeps all.
    /// `excluded`: paths of videos to omit. `chosen`: row IDs of videos to keep; nil keeps all. `views`: augmented
    /// views per video, the unaugmented one included. `memory`: bytes that the features may take; if they need more,
    /// they are read per batch. `overlapping`: whether features in memory are returned before their checksums are
    /// verified; the caller must call `requireVerified` before it stores, writes or prints anything computed from them.
    /// Throws `CacheError.damagedSequence` if a blob's length contradicts its recipe, `.damagedFeatures` if its
    /// checksum differs.
    package func features(
        dataset: String, extraction: Int64, labels: Set<String>? = nil, excluding excluded: Set<String> = [],
        videos chosen: Set<Int64>? = nil, views: Int = 1, memory: Int = .max, overlapping: Bool = false
    ) throws -> FeatureSet {
        let generation = check.begin()
        defer { check.remember() }
        let (size, recipe, videos) = try read { database in
            let row = try database.row("SELECT feature_size, name FROM extraction WHERE id = ?", [extraction])
            let size: Int = try row?.get(0) ?? 0
            let videos = try self.videos(dataset, extraction, labels, excluded, views, size: size, in: database)
            return (
                size, try row?.get(1) as String? ?? "?",
                chosen.map { chosen in videos.filter { chosen.contains($0.videoID) } } ?? videos
            )
        }
        let count = videos.reduce(0) { $0 + $1.views.reduce(0) { $0 + $1.length } }
        if count * size * 4 > memory {
            let reader = try SequenceReader(path: path, extraction: extraction, check: check)
            return FeatureSet(examples: videos, featureSize: size, storage: .streamed(reader))
        }
        var first = 0
        var examples = videos
        for index in examples.indices {
            for view in examples[index].views.indices {
                examples[index].views[view].firstRow = first
                first += examples[index].views[view].length
            }
        }
        var loading = FeatureLoading(
            path: path, extraction: extraction, check: check, generation: generation, defersChecks: overlapping)
        let rows = try [Float](unsafeUninitializedCapacity: count * size) { buffer, initialized in
            Self.requestHugePages(UnsafeMutableRawBufferPointer(buffer))
            try loading.fill(buffer, with: examples, featureSize: size)
            initialized = count * size
        }
        if !loading.damaged.isEmpty { throw try read { try Self.damage(loading.damaged, path: path, $0) } }
        let verification =
            loading.unchecked.isEmpty
            ? nil : FeatureVerification(rows, featureSize: size, loading, of: videos, recipe: recipe)
        return FeatureSet(examples: examples, featureSize: size, storage: .memory(rows), verification: verification)
    }

    /// Requests huge pages (2 MB): most of the time of filling gigabytes is spent on page faults.
    private static func requestHugePages(_ memory: UnsafeMutableRawBufferPointer) {
        #if os(Linux)
            let page = 2 << 20
            guard memory.count > 4 * page, let start = memory.baseAddress else { return }
            // Only a hint, so failures are ignored.
            madvise(start.alignedUp(toMultipleOf: page), memory.count - 2 * page, MADV_HUGEPAGE)
        #endif
    }

    /// The videos of a data set with their views; row indices are relative to each sequence.
    private func videos(
        _ dataset: String, _ extraction: Int64, _ labels: Set<String>?, _ excluded: Set<String>, _ views: Int,
        size: Int, in database: Database
    ) throws -> [FeatureSet.Example] {
        let cursor = try database.cursor(
            """
            SELECT sample.video_id, video.path, label, split, "group", sequence.view, length, length(features)
            FROM sample JOIN sequence ON sequence.video_id = sample.video_id
              JOIN video ON video.id = sample.video_id
            WHERE sample.dataset = ? AND sequence.extraction_id = ? AND sequence.view < ? AND length > 0
            ORDER BY video.path, video.digest, sequence.view
            """, [dataset, extraction, views])
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
                examples[examples.count - 1].views.append(span)
            } else if span.view == 0 {
                try examples.append(
                    .init(
                        videoID: span.videoID, path: row.get(1), label: label, split: row.get(3), group: row.get(4),
                        views: [span]))
            }
        }
        return examples
    }

    /// Number of a data set's videos without a valid frame.
    package func emptySequences(dataset: String, extraction: Int64) throws -> Int {
        try read { database in
            try Int.one(
                database,
                """
                SELECT count(*) FROM sequence JOIN sample USING (video_id)
                WHERE dataset = ? AND extraction_id = ? AND view = 0 AND length = 0
                """, [dataset, extraction]) ?? 0
        }
    }

    /// Sampled frames per second: the median over a data set's clips under a recipe; nil if none has two frames.
    package func sampledRate(dataset: String, extraction: Int64) throws -> Double? {
        try read { database in
            let rates = try Double.all(
                database,
                """
                SELECT (length - 1) / (json_extract(frame_times, '$[' || (length - 1) || ']')
                  - json_extract(frame_times, '$[0]')) AS rate
                FROM sequence JOIN sample USING (video_id)
                WHERE dataset = ? AND extraction_id = ? AND view = 0 AND length > 1
                  AND json_extract(frame_times, '$[' || (length - 1) || ']') > json_extract(frame_times, '$[0]')
                ORDER BY rate
                """, [dataset, extraction])
            return rates.isEmpty ? nil : rates[rates.count / 2]
        }
    }

    package func samples(dataset: String) throws -> [(label: String, split: String)] {
        try rows("SELECT label, split FROM sample WHERE dataset = ? ORDER BY video_id", [dataset]) {
            try ($0.get("label"), $0.get("split"))
        }
    }
}

/// Copies sequences from the cache into memory and collects the results of their checksums.
struct FeatureLoading {
    let path: String
    let extraction: Int64
    let check: RowCheck
    /// The result of `RowCheck.begin` for this load.
    let generation: Int
    /// Whether unverified sequences are collected in `unchecked` instead of being hashed during the copy.
    let defersChecks: Bool

    /// Row IDs in `sequence` whose checksums differ.
    private(set) var damaged: [Int64] = []
    private(set) var unchecked: [UncheckedSequence] = []

    /// Copies all views of the videos to the positions of their spans through one connection per core, because SQLite
    /// and page faults of fresh memory saturate a core. `buffer`: `[row, feature]`. Throws `CacheError`.
    mutating func fill(
        _ buffer: UnsafeMutableBufferPointer<Float>, with videos: [FeatureSet.Example], featureSize: Int
    ) throws {
        let lanes = max(1, min(ProcessInfo.processInfo.activeProcessorCount, videos.count / 64))
        let parts = (0..<lanes).map { videos[$0 * videos.count / lanes..<($0 + 1) * videos.count / lanes] }
        let task = self
        // Safe: the spans of the parts are disjoint, and all are filled when `concurrentMap` returns.
        nonisolated(unsafe) let target = buffer
        let loaded = try concurrentMap(lanes) { lane in
            var own = task
            let reader = try SequenceReader(path: own.path, extraction: own.extraction, check: own.check)
            try reader.read(parts[lane], featureSize: featureSize, into: target, for: &own)
            return own
        }
        for own in loaded {
            damaged += own.damaged
            unchecked += own.unchecked
        }
    }

    /// Records the checksum result of a copied sequence. `blob`: as stored. `bytes`: number of leading bytes that were
    /// copied; only zeros should follow.
    mutating func note(
        _ span: FeatureSet.Span, row: Int64, _ blob: Data, bytes: Int, as type: StoredType, _ checksum: String?
    ) {
        if check.knows(row, generation: generation) { return }
        guard defersChecks, Self.isZero(blob, from: bytes) else {
            if !check.accepts(row, blob, checksum, generation: generation) { damaged.append(row) }
            return
        }
        unchecked.append(
            UncheckedSequence(
                row: row, span: span, type: type, padding: blob.count - bytes, checksum: checksum,
                generation: generation))
    }

    private static func isZero(_ blob: Data, from start: Int) -> Bool {
        blob.withUnsafeBytes { bytes in
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            guard let first = rest.baseAddress, rest.count > 0 else { return true }
            // Compares every byte with its predecessor.
            return rest[0] == 0 && memcmp(first, first + 1, rest.count - 1) == 0
        }
    }
}

/// A sequence in memory whose checksum has not been verified.
struct UncheckedSequence: Sendable {
    let row: Int64
    let span: FeatureSet.Span
    /// Element type in the cache; in memory it is float32.
    let type: StoredType
    /// Zero bytes that follow the values in the cache.
    let padding: Int
    let checksum: String?
    let generation: Int
}

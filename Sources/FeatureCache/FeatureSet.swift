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

        /// A view of a video; `firstRow` counts from the start of the rows in memory, or of the sequence if rows are streamed.
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

        /// A clip with one span for each cached view, the plain one first.
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
    /// The comparison of `storage` with its checksums if that still goes on; nil if all rows in memory were compared.
    public let verification: FeatureVerification?

    /// All rows, where they are in memory; else none.
    public var rows: [Float] { if case .memory(let rows) = storage { rows } else { [] } }

    /// Source of each video that has one, by its row.
    public var groups: [Int64: String] {
        Dictionary(
            examples.compactMap { example in example.group.map { (example.videoID, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// Clips whose rows of `featureSize` values are in `storage`; `verification` is nil if their checksums were compared.
    public init(
        examples: [Example], featureSize: Int, storage: Storage, verification: FeatureVerification? = nil
    ) {
        self.examples = examples
        self.featureSize = featureSize
        self.storage = storage
        self.verification = verification
    }

    /// With all rows in memory.
    public init(examples: [Example], featureSize: Int, rows: [Float]) {
        self.init(examples: examples, featureSize: featureSize, storage: .memory(rows))
    }

    /// Other examples of the same rows, which stay under the same verification.
    public func replacing(examples: [Example]) -> FeatureSet {
        FeatureSet(examples: examples, featureSize: featureSize, storage: storage, verification: verification)
    }

    /// Returns when the rows in memory were compared with their checksums. Call it before anything that was computed from
    /// them is stored, written or printed.
    ///
    /// - Throws: `CacheError.damagedFeatures`.
    public func requireVerified() throws { try verification?.wait() }

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

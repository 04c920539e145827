/// Sequences for training: valid rows only, in memory or read on demand.
package struct FeatureSet: Sendable {
    /// The rows of one view of one video.
    package struct Span: Sendable, Equatable {
        package let videoID: Int64
        /// 0 is the unaugmented view.
        package let view: Int
        /// Index of its first row in memory, or in its own sequence if rows are streamed.
        package internal(set) var firstRow: Int
        package let length: Int

        package init(videoID: Int64, view: Int = 0, firstRow: Int, length: Int) {
            (self.videoID, self.view, self.firstRow, self.length) = (videoID, view, firstRow, length)
        }

        /// Each row as a separate span.
        package var frames: [Span] {
            (0..<length).map { Span(videoID: videoID, view: view, firstRow: firstRow + $0, length: 1) }
        }
    }

    package struct Example: Sendable, Equatable {
        package let videoID: Int64
        package let path: String
        package var label: String
        /// The data set's own split; `sequence` splits a validation set from the training set if there is none.
        package var split: String
        /// The source that several clips share, or nil.
        package var group: String?
        /// One span per cached view, the unaugmented one first.
        package var views: [Span]

        package init(videoID: Int64, path: String, label: String, split: String, group: String?, views: [Span]) {
            (self.videoID, self.path, self.label, self.split, self.group) = (videoID, path, label, split, group)
            self.views = views
        }

        package init(
            videoID: Int64, path: String, label: String, split: String, group: String?, length: Int, firstRow: Int
        ) {
            self.init(
                videoID: videoID, path: path, label: label, split: split, group: group,
                views: [Span(videoID: videoID, firstRow: firstRow, length: length)])
        }

        /// Valid rows of the unaugmented view.
        package var length: Int { views[0].length }
        /// First row of the unaugmented view.
        package var firstRow: Int { views[0].firstRow }
    }

    package enum Storage: Sendable {
        /// `[row, feature]` of all examples.
        case memory([Float])
        case streamed(SequenceReader)
    }

    /// Ordered by path.
    package let examples: [Example]
    package let featureSize: Int
    package let storage: Storage
    /// The running verification of `storage`; nil if it is complete or rows are streamed.
    package let verification: FeatureVerification?

    /// All rows if they are in memory, otherwise empty.
    package var rows: [Float] { if case .memory(let rows) = storage { rows } else { [] } }

    /// Source of each video that has one, by row ID.
    package var groups: [Int64: String] {
        Dictionary(
            examples.compactMap { example in example.group.map { (example.videoID, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// With rows of `featureSize` values in `storage`; `verification` is nil if their checksums were verified.
    package init(examples: [Example], featureSize: Int, storage: Storage, verification: FeatureVerification? = nil) {
        (self.examples, self.featureSize, self.storage) = (examples, featureSize, storage)
        self.verification = verification
    }

    package init(examples: [Example], featureSize: Int, rows: [Float]) {
        self.init(examples: examples, featureSize: featureSize, storage: .memory(rows))
    }

    /// A set with other examples and the same rows and verification.
    package func replacing(examples: [Example]) -> FeatureSet {
        FeatureSet(examples: examples, featureSize: featureSize, storage: storage, verification: verification)
    }

    /// Waits until the checksums of the rows in memory are verified. Call it before anything computed from them is
    /// stored, written or printed. Throws `CacheError.damagedFeatures`.
    package func requireVerified() throws { try verification?.wait() }

    /// The rows `[row, feature]` that contain the spans, and the first row of each span. Rows in memory are not copied.
    /// May be called from any thread. Throws `CacheError`, if rows are streamed.
    package func gather(_ spans: [Span]) throws -> (rows: [Float], firstRows: [Int]) {
        switch storage {
        case .memory(let rows): return (rows, spans.map(\.firstRow))
        case .streamed(let reader): return try reader.read(spans, featureSize: featureSize)
        }
    }
}

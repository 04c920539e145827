import GRDB

/// Reads sequences from a cache when they are asked for, through a connection of its own.
public final class SequenceReader: Sendable {
    private let path: String
    private let extraction: Int64
    private let type: StoredType
    private let database: DatabaseQueue
    private let check: RowCheck

    /// - Throws: `CacheError`.
    init(path: String, extraction: Int64, check: RowCheck) throws {
        let configuration = CacheConnection.configuration(readonly: true)
        self.path = path
        self.extraction = extraction
        self.check = check
        (database, type) = try CacheError.translating(path) {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            let type = try queue.read {
                try String.fetchOne(
                    $0, sql: "SELECT element_type FROM extraction WHERE id = ?", arguments: [extraction])
            }
            return (queue, type.flatMap(StoredType.init) ?? .float32)
        }
    }

    /// The rows of spans one after the other `[row, feature]`, and at which row each begins.
    ///
    /// - Throws: `CacheError`.
    func read(_ spans: [FeatureSet.Span], featureSize: Int) throws -> (rows: [Float], firstRows: [Int]) {
        var firstRows: [Int] = []
        let count = spans.reduce(0) { $0 + $1.length }
        let rows = try CacheError.translating(path) {
            try database.read { database in
                let statement = try database.makeStatement(sql: CacheFile.blobQuery)
                return try [Float](unsafeUninitializedCapacity: count * featureSize) { buffer, initialized in
                    var first = 0
                    for span in spans {
                        let target = UnsafeMutableBufferPointer(
                            rebasing: buffer[first * featureSize..<(first + span.length) * featureSize])
                        let copied = try CacheFile.copyBlob(
                            statement, extraction, span, as: type, from: span.firstRow * featureSize, into: target,
                            check)
                        switch copied {
                        case .whole: break
                        case .tooShort:
                            throw CacheError.damagedSequence(path: path, video: "number \(span.videoID)")
                        case .damaged(let row): throw try CacheFile.damage([row], path: path, database)
                        }
                        firstRows.append(first)
                        first += span.length
                    }
                    initialized = first * featureSize
                }
            }
        }
        return (rows, firstRows)
    }

    /// Copies the views of videos one after the other, beginning at a row of the buffer.
    ///
    /// - Returns: rows of `sequence` that do not fit their checksums.
    /// - Throws: `CacheError`.
    func read(
        _ videos: ArraySlice<FeatureSet.Example>, featureSize: Int, into buffer: UnsafeMutableBufferPointer<Float>,
        from firstRow: Int
    ) throws -> [Int64] {
        try CacheError.translating(path) {
            try database.read { database in
                let statement = try database.makeStatement(sql: CacheFile.blobQuery)
                var offset = firstRow * featureSize
                var damaged: [Int64] = []
                for video in videos {
                    for view in video.views {
                        let end = offset + view.length * featureSize
                        let target = UnsafeMutableBufferPointer(rebasing: buffer[offset..<end])
                        let copied = try CacheFile.copyBlob(
                            statement, extraction, view, as: type, from: 0, into: target, check)
                        switch copied {
                        case .whole: break
                        case .tooShort: throw CacheError.damagedSequence(path: path, video: video.path)
                        case .damaged(let row): damaged.append(row)
                        }
                        offset = end
                    }
                }
                return damaged
            }
        }
    }
}

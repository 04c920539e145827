import GRDB

/// Reads sequences from a cache on demand through its own connection.
package final class SequenceReader: Sendable {
    private let path: String
    private let extraction: Int64
    private let type: StoredType
    private let database: DatabaseQueue
    private let check: RowCheck

    init(path: String, extraction: Int64, check: RowCheck) throws {
        let configuration = CacheConnection.configuration(readonly: true)
        (self.path, self.extraction, self.check) = (path, extraction, check)
        (database, type) = try CacheError.translating(path) {
            let queue = try CacheConnection.open(path, configuration)
            let type = try queue.read {
                try String.one($0, "SELECT element_type FROM extraction WHERE id = ?", [extraction])
            }
            return (queue, type.flatMap(StoredType.init) ?? .float32)
        }
    }

    /// The concatenated rows of spans `[row, feature]`, and the first row of each. Throws `CacheError`.
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
                        var damaged: Int64?
                        let isWhole = try CacheFile.copyBlob(
                            statement, extraction, span, as: type, from: span.firstRow * featureSize, into: target
                        ) { row, blob, checksum in if !check.accepts(row, blob, checksum) { damaged = row } }
                        guard isWhole else {
                            throw CacheError.damagedSequence(path: path, video: "number \(span.videoID)")
                        }
                        if let damaged { throw try CacheFile.damage([damaged], path: path, database) }
                        firstRows.append(first)
                        first += span.length
                    }
                    initialized = first * featureSize
                }
            }
        }
        return (rows, firstRows)
    }

    /// Copies the views of videos to the positions of their spans and reports each to `loading`. Throws `CacheError`.
    func read(
        _ videos: ArraySlice<FeatureSet.Example>, featureSize: Int, into buffer: UnsafeMutableBufferPointer<Float>,
        for loading: inout FeatureLoading
    ) throws {
        try CacheError.translating(path) {
            try database.read { database in
                let statement = try database.makeStatement(sql: CacheFile.blobQuery)
                for video in videos {
                    for view in video.views {
                        let first = view.firstRow * featureSize
                        let target = UnsafeMutableBufferPointer(
                            rebasing: buffer[first..<first + view.length * featureSize])
                        let isWhole = try CacheFile.copyBlob(
                            statement, extraction, view, as: type, from: 0, into: target
                        ) { row, blob, checksum in
                            loading.note(view, row: row, blob, bytes: target.count * type.bytes, as: type, checksum)
                        }
                        guard isWhole else { throw CacheError.damagedSequence(path: path, video: video.path) }
                    }
                }
            }
        }
    }
}

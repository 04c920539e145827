import Foundation
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

extension CacheFile {
    static let blobQuery = """
        SELECT features, checksum, rowid FROM sequence WHERE extraction_id = ? AND video_id = ? AND view = ?
        """

    /// Copies rows of a sequence and passes its blob with row ID and checksum to `compare`. `first`: number of values
    /// to skip. Returns false if the blob is missing or shorter than its recipe requires.
    static func copyBlob(
        _ statement: Statement, _ extraction: Int64, _ span: FeatureSet.Span, as type: StoredType, from first: Int,
        into target: UnsafeMutableBufferPointer<Float>, compare: (Int64, Data, String?) -> Void
    ) throws -> Bool {
        let cursor = try Row.fetchCursor(statement, arguments: [extraction, span.videoID, span.view])
        guard let row = try cursor.next(), span.length > 0 else { return false }
        let range = first * type.bytes..<(first + target.count) * type.bytes
        let (checksum, place) = try (row.get(1) as String?, row.get(2) as Int64)
        return try row.withUnsafeData(atIndex: 0) { data in
            guard let data, data.count >= range.upperBound else { return false }
            data.withUnsafeBytes { type.copy(UnsafeRawBufferPointer(rebasing: $0[range]), to: target) }
            compare(place, data, checksum)
            return true
        }
    }

    /// The error that names the clips of damaged sequences, all of one recipe.
    static func damage(_ rows: [Int64], path: String, _ database: Database) throws -> CacheError {
        let statement = try database.makeStatement(
            sql: """
                SELECT video.path, view, extraction.name FROM sequence JOIN video ON video.id = video_id
                  JOIN extraction ON extraction.id = extraction_id WHERE sequence.rowid = ?
                """)
        var (clips, recipe) = ([String](), "?")
        for row in rows.sorted().prefix(CacheError.namedClips) {
            guard let found = try Row.fetchOne(statement, arguments: [row]) else { continue }
            clips.append(CacheError.clip(try found.get(0), view: try found.get(1)))
            recipe = try found.get(2)
        }
        return .damagedFeatures(path: path, recipe: recipe, clips: clips, count: rows.count)
    }
}

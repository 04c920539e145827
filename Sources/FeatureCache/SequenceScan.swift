import Foundation
import GRDB

/// Sequences one after the other, as a search wants them: read once, forgotten at once.
extension CacheFile {
    /// A clip and its rows.
    public struct ScannedSequence {
        /// Row of the video.
        public let videoID: Int64
        /// Relative to the data set's root.
        public let path: String
        /// Class.
        public let label: String
        /// Seconds of each row.
        public let times: [Double]
        /// `[row, feature]`.
        public let rows: [Float]
    }

    /// Shows the plain view of every clip of a data set, in the order of their paths.
    ///
    /// - Parameters:
    ///   - condition: SQL that a clip must meet, over the columns of `video` and `sample`; nil for all.
    ///   - part: of `parts` equal parts of the clips, which may be read side by side.
    /// - Throws: `CacheError`; `ScanError` where the condition cannot be used; what `body` throws.
    public func scan(
        dataset: String, extraction: (id: Int64, record: ExtractionRecord), condition: String? = nil, part: Int = 0,
        of parts: Int = 1, _ body: (ScannedSequence) throws -> Void
    ) throws {
        let (size, type) = (extraction.record.featureSize, extraction.record.elementType)
        try read { database in
            let query = """
                SELECT video.id, path, label, length, frame_times, features
                FROM sequence JOIN video ON video.id = sequence.video_id
                  JOIN sample ON sample.video_id = video.id AND sample.dataset = ?1
                WHERE extraction_id = ?2 AND view = 0 AND length > 0 AND video.id % ?3 = ?4
                """
            let narrowed = condition.map { "\(query) AND (\($0)\n)" } ?? query
            let statement: Statement
            do {
                statement = try database.makeStatement(sql: narrowed + " ORDER BY path")
                try statement.setArguments([dataset, extraction.id, parts, part])
            } catch let error as DatabaseError {
                throw ScanError.condition(condition ?? "", reason: error.message ?? "it is no SQL")
            }
            let cursor = try Row.fetchCursor(statement)
            while let row = try cursor.next() {
                let length: Int = row[3]
                let times = (try? JSONDecoder().decode([Double].self, from: Data((row[4] as String).utf8))) ?? []
                let rows: [Float]? = try row.withUnsafeData(atIndex: 5) { data in
                    guard let data, data.count >= length * size * type.bytes else { return nil }
                    return [Float](unsafeUninitializedCapacity: length * size) { buffer, count in
                        let target = UnsafeMutableBufferPointer(rebasing: buffer[..<(length * size)])
                        data.withUnsafeBytes {
                            type.copy(UnsafeRawBufferPointer(rebasing: $0[..<(length * size * type.bytes)]), to: target)
                        }
                        count = length * size
                    }
                }
                guard let rows, times.count == length else {
                    throw CacheError.damagedSequence(path: path, video: row[1])
                }
                try body(ScannedSequence(videoID: row[0], path: row[1], label: row[2], times: times, rows: rows))
            }
        }
    }
}

/// Why clips cannot be chosen.
public enum ScanError: LocalizedError, Equatable {
    case condition(String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .condition(let condition, let reason):
            "--where \"\(condition)\" cannot be used: \(reason). It is SQL over the columns of `video` and `sample`, such as "
                + "label = 'dive' AND duration > 10."
        }
    }
}

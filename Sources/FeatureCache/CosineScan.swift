import CElementwise
import Foundation
import GRDB

/// All rows of a data set beside a few vectors: read once as they lie, at the speed of memory, and never kept.
extension CacheFile {
    /// How alike each row is to each vector.
    public struct Cosines: Sendable {
        /// Rows of the table `video`, and how many rows of features each has.
        public internal(set) var videos: [(id: Int64, length: Int)] = []
        /// Of all rows, one video after the other, for each vector.
        public internal(set) var values: [[Float]]

        /// Nothing yet, for so many vectors.
        init(count: Int) { values = Array(repeating: [], count: count) }

        /// Joins what was read side by side.
        public init(joining parts: [Cosines]) {
            self.init(count: parts.first?.values.count ?? 0)
            for part in parts {
                videos += part.videos
                for place in values.indices { values[place] += part.values[place] }
            }
        }
    }

    /// Cosines of the plain views of a data set's clips.
    ///
    /// - `queries`: of length 1.
    /// - `condition`: SQL that a clip must meet, over the columns of `video` and `sample`; nil for all.
    /// - `part`: of `parts` parts of the clips, which may be read side by side.
    /// - Throws: `CacheError`; `ScanError` where the condition cannot be used.
    public func cosines(
        to queries: [[Float]], dataset: String, extraction: (id: Int64, record: ExtractionRecord),
        condition: String? = nil, part: Int = 0, of parts: Int = 1
    ) throws -> Cosines {
        let (size, type) = (extraction.record.featureSize, extraction.record.elementType)
        guard queries.allSatisfy({ $0.count == size }) else {
            throw ScanError.otherSize(path: path, stored: size, question: queries.map(\.count).max() ?? 0)
        }
        let vectors = queries.flatMap { $0 }
        var result = Cosines(count: queries.count)
        var shares: [Float] = []
        var values: [Float] = []
        let chosen = try condition.map { try videos(meeting: $0, dataset: dataset) }
        check.begin()
        defer { check.remember() }
        try read { database in
            // Pages come from where the system keeps the file.
            try database.execute(sql: "PRAGMA mmap_size = \(1 << 44)")
            // Neighbours stay together, so that each part reads forward.
            let query = """
                SELECT sequence.video_id, length, features, checksum, sequence.rowid FROM sequence
                  JOIN sample ON sample.dataset = ?1 AND sample.video_id = sequence.video_id
                WHERE extraction_id = ?2 AND view = 0 AND length > 0 AND sequence.video_id / 1024 % ?3 = ?4
                """
            let cursor = try Row.fetchCursor(
                database, sql: query, arguments: [dataset, extraction.id, parts, part])
            while let row = try cursor.next() {
                let (id, length): (Int64, Int) = try (row.get(0), row.get(1))
                if chosen?.contains(id) == false { continue }
                let bytes = try row.withUnsafeData(atIndex: 2) { $0?.count ?? 0 }
                guard StoredSize.fits(length, of: size, as: type, in: bytes) else {
                    throw CacheError.damagedSequence(path: path, video: try Self.path(of: id, database))
                }
                let (checksum, place) = try (row.get(3) as String?, row.get(4) as Int64)
                guard try row.withUnsafeData(atIndex: 2, { check.accepts(place, $0 ?? Data(), checksum) }) else {
                    throw try Self.damage([place], path: path, database)
                }
                if shares.count < length { shares = [Float](repeating: 0, count: length) }
                values = [Float](unsafeUninitializedCapacity: queries.count * length) { target, count in
                    count =
                        (try? row.withUnsafeData(atIndex: 2) { data -> Int in
                            guard let data, data.count >= length * size * type.bytes else { return 0 }
                            data.withUnsafeBytes { bytes in
                                elementwise_shares(length, size, type.isHalf, bytes.baseAddress, &shares)
                                elementwise_cosines(
                                    length, size, type.isHalf, bytes.baseAddress, shares, queries.count, vectors,
                                    target.baseAddress)
                            }
                            return queries.count * length
                        }) ?? 0
                }
                guard values.count == queries.count * length else {
                    throw CacheError.damagedSequence(path: path, video: try Self.path(of: id, database))
                }
                result.videos.append((id, length))
                for place in queries.indices { result.values[place] += values[place * length..<(place + 1) * length] }
            }
        }
        return result
    }

    /// The clips of a data set that meet a condition, with features or without.
    ///
    /// - Throws: `CacheError`; `ScanError` where the condition cannot be used.
    public func videos(
        dataset: String, extraction: Int64, condition: String?
    ) throws -> Set<Int64> {
        if let condition { return try videos(meeting: condition, dataset: dataset) }
        return try read { database in
            let all = "SELECT video_id FROM sample WHERE dataset = ?"
            return try Set(Int64.fetchCursor(database, sql: all, arguments: [dataset]))
        }
    }

    private static func path(of video: Int64, _ database: Database) throws -> String {
        try String.fetchOne(database, sql: "SELECT path FROM video WHERE id = ?", arguments: [video]) ?? "?"
    }

    /// The clips of a data set that meet a condition which a user wrote. Whatever the condition says, it decides about
    /// nothing but this set: it runs in a statement and on a connection of its own, for a limited time.
    ///
    /// - Throws: `CacheError`; `ScanError` if it is no condition, fails or takes too long.
    private func videos(meeting condition: String, dataset: String) throws -> Set<Int64> {
        try SQLCondition.check(condition)
        let sql = """
            SELECT id FROM video WHERE id IN (SELECT video.id FROM sample JOIN video ON video.id = sample.video_id
              WHERE dataset = ? AND (\(condition)
            ))
            """
        let queue = try CacheError.translating(path) { try CacheConnection.restricted(path: path) }
        do {
            return try queue.inDatabase { database in
                try CacheConnection.limited(database) { _ in
                    try Set(Int64.fetchAll(database, sql: sql, arguments: [dataset]))
                }
            }
        } catch let error as DatabaseError {
            let isLate = error.resultCode == .SQLITE_INTERRUPT
            throw ScanError.condition(
                condition, reason: isLate ? "it takes longer than a minute" : error.message ?? "it is no SQL")
        }
    }

    /// Where a video lies, its class, and when the rows of its plain view are.
    public struct FoundVideo: Sendable {
        /// Relative to the data set's root.
        public let path: String
        /// Class.
        public let label: String
        /// Seconds of each row.
        public let times: [Double]
    }

    /// What is known of a few videos.
    ///
    /// - Throws: `CacheError`.
    public func found(_ videos: some Sequence<Int64>, dataset: String, extraction: Int64) throws -> [Int64: FoundVideo]
    {
        try read { database in
            let statement = try database.makeStatement(
                sql: """
                    SELECT path, label, frame_times FROM video
                      JOIN sample ON sample.dataset = ?1 AND sample.video_id = video.id
                      JOIN sequence ON extraction_id = ?2 AND sequence.video_id = video.id AND view = 0
                    WHERE video.id = ?3
                    """)
            var found: [Int64: FoundVideo] = [:]
            for id in Set(videos) {
                guard let row = try Row.fetchOne(statement, arguments: [dataset, extraction, id]) else { continue }
                let times = try? JSONDecoder().decode([Double].self, from: Data((row.get(2) as String).utf8))
                found[id] = try FoundVideo(path: row.get(0), label: row.get(1), times: times ?? [])
            }
            return found
        }
    }
}

extension StoredType {
    /// As C's functions want it.
    var isHalf: Int32 { self == .float16 ? 1 : 0 }
}

import CElementwise
import Foundation
import GRDB

/// Cosine similarity of a data set's rows to query vectors; rows are read sequentially through a memory map, not kept.
extension CacheFile {
    package struct Cosines: Sendable {
        /// Row IDs in `video`, and the number of feature rows of each.
        package internal(set) var videos: [(id: Int64, length: Int)] = []
        /// For each query, the values of all rows, video by video.
        package internal(set) var values: [[Float]]

        init(count: Int) { values = Array(repeating: [], count: count) }

        /// Concatenates results of parts that were read in parallel.
        package init(joining parts: [Cosines]) {
            self.init(count: parts.first?.values.count ?? 0)
            for part in parts {
                videos += part.videos
                for place in values.indices { values[place] += part.values[place] }
            }
        }
    }

    /// Cosine similarities of the unaugmented views of a data set's clips. `queries`: unit vectors. `condition`: SQL
    /// condition over the columns of `video` and `sample`; nil for all clips. `labels`: which clips must have all of.
    /// `part`: of `parts` parts of the clips, which may be read in parallel. Throws `CacheError`; `ScanError` if the
    /// condition is invalid; `LabelFilterError`.
    package func cosines(
        to queries: [[Float]], dataset: String, extraction: StoredExtraction,
        condition: String? = nil, labels: [String] = [], part: Int = 0, of parts: Int = 1
    ) throws -> Cosines {
        let (size, type) = (extraction.record.featureSize, extraction.record.elementType)
        guard queries.allSatisfy({ $0.count == size }) else {
            throw ScanError.otherSize(path: path, stored: size, question: queries.map(\.count).max() ?? 0)
        }
        let vectors = queries.flatMap { $0 }
        var result = Cosines(count: queries.count)
        var shares: [Float] = [], values: [Float] = []
        let isFiltered = condition != nil || !labels.isEmpty
        let chosen = isFiltered ? try videos(dataset: dataset, condition: condition, labels: labels) : nil
        check.begin()
        defer { check.remember() }
        try read { database in
            // Reads pages through a memory map of the file.
            try database.run("PRAGMA mmap_size = \(1 << 44)")
            // Parts are contiguous, so that each is read sequentially.
            let query = """
                SELECT sequence.video_id, length, features, checksum, sequence.rowid FROM sequence
                  JOIN sample ON sample.dataset = ?1 AND sample.video_id = sequence.video_id
                WHERE extraction_id = ?2 AND view = 0 AND length > 0 AND sequence.video_id / 1024 % ?3 = ?4
                """
            let cursor = try database.cursor(query, [dataset, extraction.id, parts, part])
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
                                elementwise_inverse_row_norms(length, size, type.isHalf, bytes.baseAddress, &shares)
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

    /// The clips of a data set that meet a condition and have all of `labels`, with or without features. Throws
    /// `CacheError`; `ScanError` if the condition is invalid; `LabelFilterError`.
    package func videos(dataset: String, condition: String?, labels: [String] = []) throws -> Set<Int64> {
        if !labels.isEmpty {
            let labelled = try videos(dataset: dataset, labels: labels)
            return try condition.map { try labelled.intersection(videos(meeting: $0, dataset: dataset)) } ?? labelled
        }
        if let condition { return try videos(meeting: condition, dataset: dataset) }
        return try read { database in
            let all = "SELECT video_id FROM sample WHERE dataset = ?"
            return try Set(Int64.fetchCursor(database, sql: all, arguments: [dataset]))
        }
    }

    private static func path(of video: Int64, _ database: Database) throws -> String {
        try String.one(database, "SELECT path FROM video WHERE id = ?", [video]) ?? "?"
    }

    /// The clips of a data set that meet a user's condition. The condition is evaluated in a separate statement on a
    /// restricted connection with a time limit, so it can affect only this set. Throws `CacheError`; `ScanError` if it
    /// is not a condition, fails or takes too long.
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
                try CacheConnection.limited(database) { _ in try Set(Int64.all(database, sql, [dataset])) }
            }
        } catch let error as DatabaseError {
            let isLate = error.resultCode == .SQLITE_INTERRUPT
            throw ScanError.condition(
                condition, reason: isLate ? "it takes longer than a minute" : error.message ?? "it is not valid SQL")
        }
    }

    package struct FoundVideo: Sendable {
        package let path, label: String
        package let times: [Double]
    }

    package func found(_ videos: some Sequence<Int64>, dataset: String, extraction: Int64) throws -> [Int64: FoundVideo]
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
    /// As the flag of C functions.
    var isHalf: Int32 { self == .float16 ? 1 : 0 }
}

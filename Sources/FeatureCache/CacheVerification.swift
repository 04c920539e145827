import Digests
import Foundation
import GRDB
import Synchronization
import Threads

/// The result of `cache verify`.
package struct CacheVerification: Sendable, Encodable {
    package struct Problem: Sendable, Encodable, Equatable {
        /// Table and description of the row.
        package let place: String
        package let what: String
        /// Whether data is lost or wrong; otherwise rows are merely unused.
        package let isDamage: Bool
    }

    package internal(set) var sequences = 0, bytes = 0
    /// Damage first, then in the order of the tables.
    package internal(set) var problems: [Problem] = []

    /// Whether no data is lost or wrong.
    package var isWhole: Bool { !problems.contains(where: \.isDamage) }
}

extension CacheFile {
    /// Verifies everything: SQLite's integrity, foreign keys, digests of recipes, and of every sequence its checksum,
    /// mask, length, padding, indices and times. `report`: bytes of features read so far, and in total; called from
    /// several threads, one at a time. Throws `CacheError` if the file cannot be read at all.
    package func verify(
        workers: Int = ProcessInfo.processInfo.activeProcessorCount,
        report: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> CacheVerification {
        let chunks = try sequenceChunks()
        let total = chunks.reduce(0) { $0 + $1.bytes }
        let found = Mutex((result: CacheVerification(), error: (any Error)?.none))
        let next = Atomic<Int>(0)
        let path = path
        // SQLite's integrity check takes longest, so it is started first.
        concurrently(max(1, workers)) { _ in
            do {
                let reader = try Self.reader(path: path)
                while case let place = next.add(1, ordering: .relaxed).oldValue, place <= chunks.count {
                    let problems =
                        try place == 0
                        ? reader.read(Self.structuralProblems)
                        : reader.read { try Self.sequenceProblems(chunks[place - 1], in: $0) }
                    found.withLock { found in
                        found.result.problems += problems
                        guard place > 0 else { return }
                        found.result.sequences += chunks[place - 1].count
                        found.result.bytes += chunks[place - 1].bytes
                        report(found.result.bytes, total)
                    }
                }
            } catch { found.withLock { $0.error = $0.error ?? error } }
        }
        return try CacheError.translating(path) {
            var (result, error) = found.withLock { ($0.result, $0.error) }
            // A corrupt page that makes SQLite fail is a finding, not an error.
            if let damage = error as? DatabaseError, damage.resultCode == .SQLITE_CORRUPT {
                result.problems.append(.init(place: path, what: damage.message ?? "damaged", isDamage: true))
                error = nil
            }
            if let error { throw error }
            result.problems = result.problems.filter(\.isDamage) + result.problems.filter { !$0.isDamage }
            return result
        }
    }

    /// A read-only connection that reads from the system's page cache.
    static func reader(path: String) throws -> DatabaseQueue {
        try CacheConnection.requireRegular(path)
        var configuration = CacheConnection.configuration(readonly: true)
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA mmap_size = \(1 << 40)") }
        return try CacheConnection.open(path, configuration)
    }

    /// A range of rows of `sequence` that is checked in one step.
    struct SequenceChunk: Sendable {
        let rows: ClosedRange<Int64>
        let count, bytes: Int
    }

    /// All sequences in chunks of about 64 MB.
    func sequenceChunks() throws -> [SequenceChunk] {
        try read { database in
            let found = try database.cursor(
                """
                SELECT sequence.rowid, max_frames * feature_size * CASE element_type WHEN 'float16' THEN 2 ELSE 4 END
                FROM sequence LEFT JOIN extraction ON extraction.id = extraction_id ORDER BY sequence.rowid
                """)
            var chunks: [SequenceChunk] = []
            // In a damaged file, rows may be in any order and sizes may have any value.
            var (rows, count, bytes) = (ClosedRange<Int64>?.none, 0, 0)
            while let row = try found.next() {
                let (row, size): (Int64, Int?) = try (row.get(0), row.get(1))
                rows = min(rows?.lowerBound ?? row, row)...max(rows?.upperBound ?? row, row)
                count += 1
                bytes += max(0, min(size ?? 0, 1 << 40))
                guard bytes >= 64 << 20, let whole = rows else { continue }
                chunks.append(SequenceChunk(rows: whole, count: count, bytes: bytes))
                (rows, count, bytes) = (nil, 0, 0)
            }
            if let rows { chunks.append(SequenceChunk(rows: rows, count: count, bytes: bytes)) }
            return chunks
        }
    }

    // MARK: - Tables

    private static func structuralProblems(_ database: Database) throws -> [CacheVerification.Problem] {
        var problems: [CacheVerification.Problem] = []
        func add(_ place: String, _ what: String, isDamage: Bool = true) {
            problems.append(.init(place: place, what: what, isDamage: isDamage))
        }
        for line in try String.all(database, "PRAGMA integrity_check") where line != "ok" { add("SQLite", line) }
        for row in try database.rows("PRAGMA foreign_key_check") {
            let (table, parent) = try (row.get(0) as String, row.get(2) as String)
            try add("\(table), row \((row.get(1) as Int64?) ?? 0)", "refers to a missing row of \(parent)")
        }
        try extractionProblems(database, add)
        for (table, column) in try ColumnCheck.problems(database) {
            add(table, "its column \(column) holds an invalid value")
        }
        for row in try database.rows("SELECT path FROM failure WHERE extraction_id NOT IN (SELECT id FROM extraction)")
        { try add("failure of \(row.get("path") ?? "")", "belongs to no recipe") }
        for row in try database.rows(
            """
            SELECT dataset, path, split FROM sample JOIN video ON video.id = video_id
            WHERE split NOT IN ('train', 'validation', 'test')
            """)
        { try add("sample \(row.get("path") ?? "")", "is in the unknown split \(row.get("split") ?? "")") }
        for row in try database.rows("SELECT path FROM video WHERE length(digest) <> 64 OR digest GLOB '*[^0-9a-f]*'") {
            try add("video \(row.get("path") ?? "")", "has a digest that is not a SHA-256")
        }
        for row in try database.rows(
            """
            SELECT path FROM video WHERE NOT EXISTS (SELECT 1 FROM sample WHERE video_id = video.id)
              AND EXISTS (SELECT 1 FROM sequence WHERE video_id = video.id)
            """)
        { try add("video \(row.get("path") ?? "")", "has features but belongs to no data set", isDamage: false) }
        return problems
    }

    static func extractionProblems(
        _ database: Database, _ add: (_ place: String, _ what: String, _ isDamage: Bool) throws -> Void
    ) throws {
        for row in try database.rows("SELECT * FROM extraction ORDER BY id") {
            do { try extractionProblems(row, add) } catch let error as DatabaseError {
                try add("a row of extraction", error.message ?? "is damaged", true)
            }
        }
    }

    private static func extractionProblems(
        _ row: Row, _ add: (_ place: String, _ what: String, _ isDamage: Bool) throws -> Void
    ) throws {
        let place = try "extraction \(row.get("name") ?? "")"
        let text: String = try row.get("feature_shape")
        let shape = try? JSONDecoder().decode([Int].self, from: Data(text.utf8))
        let size = shape.flatMap(StoredSize.product)
        let stated: Int = try row.get("feature_size")
        let frames: Int = try row.get("max_frames")
        if !StoredSize.isPossible(frames: frames, numbers: stated) {
            try add(place, "states \(frames) frames of \(stated) values", true)
        }
        if size != stated { try add(place, "states feature_size \(stated), but shape \(text)", true) }
        let type: String = try row.get("element_type")
        if StoredType(rawValue: type) == nil { try add(place, "has the unknown element_type \(type)", true) }
        let (recipe, digest): (String, String) = try (row.get("recipe"), row.get("digest"))
        if hexDigest(Data(recipe.utf8)) != digest {
            try add(place, "has a recipe that does not match its digest", true)
        }
    }
}

import Digests
import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

/// Caches in which one column of one table contains a value that no program stores.
@Suite struct HostileColumnTests {
    private static let values: [any DatabaseValueConvertible & Sendable] = [
        0, -1, 1 << 32, Int64.max, Int64.min, 0.5, 1e300, -Double.infinity, "", "abc", "[]", "[[]]", "[-1]",
        "[1e300,1e300]", "[9223372036854775807,2]", "[[3,1],[3,1]]", "[[0],[0]]", "{}", "null", "nan", "test", Data(),
        Data(count: 7), Data(repeating: 0xFF, count: 4096), String(repeating: "1", count: 9999),
    ]

    static let tables = [
        "video", "sample", "extraction", "sequence", "failure", "run", "epoch", "prediction", "membership", "fold",
        "twin_pair", "phrase",
    ]

    /// A cache with rows in every table.
    private func wholeCache(_ scratch: ScratchFolder) throws -> String {
        let (cache, extraction) = try Example.cache(in: scratch)
        try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
        let run = try cache.addRun("r", extraction)
        try cache.addEpoch(Example.epoch, run: run)
        try cache.store([Example.prediction()], run: run)
        try cache.store([MembershipRecord(videoID: 1, role: .train)], run: run)
        try cache.store(
            [FoldRecord(videoID: 1, number: 1, fold: 1, predicted: "run", probabilities: [0.5, 0.5])], run: run)
        try cache.store(
            [NearDuplicateRecord(first: 1, second: 2, cosine: 1, similarity: 1)], dataset: "demo",
            extraction: extraction)
        try cache.store(phrases: [("a run", [1, 0, 0])], extraction: extraction)
        try cache.checkpoint()
        return cache.path
    }

    private func copy(of whole: String, _ scratch: ScratchFolder) throws -> String {
        let path = scratch.path + "/hostile.sqlite"
        for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
        try FileManager.default.copyItem(atPath: whole, toPath: path)
        return path
    }

    /// Changes all rows of a column. NOT NULL constraints hold only for programs that respect them.
    private static func set(
        _ table: String, _ column: String, _ value: (any DatabaseValueConvertible)?, path: String
    ) throws {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        try queue.writeWithoutTransaction { database in
            try database.run(
                """
                PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON;
                CREATE TEMP TABLE whole AS SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL;
                UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = '\(table)'
                  AND sql NOT LIKE '%WITHOUT ROWID%';
                PRAGMA schema_version = 900
                """)
            // Key constraints may reject it.
            try? database.execute(sql: "UPDATE OR REPLACE \"\(table)\" SET \"\(column)\" = ?", arguments: [value])
            if table == "sequence", column == "features" {
                for row in try Row.fetchAll(database, sql: "SELECT rowid, features FROM sequence") {
                    guard let place: Int64 = row[0], let blob = Data.fromDatabaseValue(row[1]) else { continue }
                    try database.run("UPDATE sequence SET checksum = ? WHERE rowid = ?", [hexDigest(blob), place])
                }
            }
            try database.run(
                """
                UPDATE sqlite_master SET sql = (SELECT sql FROM whole WHERE whole.name = sqlite_master.name)
                  WHERE sql IS NOT NULL;
                PRAGMA schema_version = 901; PRAGMA writable_schema = OFF
                """)
            _ = try? database.checkpoint(.truncate)
        }
    }

    @Test("reading a cache gives values or errors, whatever its columns contain", arguments: tables)
    func columns(table: String) throws {
        let scratch = ScratchFolder()
        let whole = try wholeCache(scratch)
        let columns = try DatabaseQueue(path: whole).read { database in
            try String.fetchAll(database, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table])
        }
        #expect(!columns.isEmpty)
        var refused = 0
        var generator = SeededGenerator(seed: faultSeed)
        for column in columns {
            // All values in `make faults`; a sample in `make test`.
            let values = ([nil] + Self.values.map(Optional.some)).shuffled(using: &generator)
            for value in values.prefix(faultRounds > 10 ? values.count : 2) {
                let path = try copy(of: whole, scratch)
                try Self.set(table, column, value, path: path)
                guard let cache = try? CacheFile(path: path, create: false) else { continue }
                refused += CacheReaders.readEverything(cache, in: scratch.path)
            }
        }
        #expect(refused > 0 || faultRounds <= 10 || ["phrase", "failure"].contains(table))
    }

    @Test("a recipe whose sizes do not fit its shape, or overflow, is an error that says so") func shapes() throws {
        let scratch = ScratchFolder()
        let whole = try wholeCache(scratch)
        for (shape, size) in [
            ("[4611686018427387904,4]", 0), ("[0,9223372036854775807,2]", 0), ("[-3,-1]", 3), ("[2]", 3), ("[[3]]", 3),
            ("[9223372036854775807]", Int.max), ("[]", 0),
        ] {
            let path = try copy(of: whole, scratch)
            try Self.set("extraction", "feature_shape", shape, path: path)
            try Self.set("extraction", "feature_size", size, path: path)
            let cache = try CacheFile(path: path, create: false)
            let error = #expect(throws: CacheError.self, "\(shape)") { try cache.extractions() }
            #expect(error?.localizedDescription.contains("Recipe 1 in \(path) is damaged") == true, "\(shape)")
        }
    }

    @Test("invalid, descending or missing window ends are an error that names the clip")
    func windowEnds() throws {
        let scratch = ScratchFolder()
        let whole = try wholeCache(scratch)
        for ends in ["[[],[]]", "[[]]", "[[1],[1]]", "[[3,1],[3,1]]", "[[0,1]]", "[[1e300,1],[1,2]]", "x"] {
            let path = try copy(of: whole, scratch)
            try Self.set("sequence", "window_ends", ends, path: path)
            let cache = try CacheFile(path: path, create: false)
            #expect(throws: CacheError.damagedSequence(path: path, video: "number 1"), "\(ends)") {
                try cache.sequenceRecords(extraction: 1, video: 1, featureSize: 3, as: .float32)
            }
        }
    }
}

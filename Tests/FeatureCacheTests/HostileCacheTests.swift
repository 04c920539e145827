import Digests
import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

/// Caches whose schema runs hostile SQL.
@Suite struct HostileCacheTests {
    let scratch = ScratchFolder()

    private static let endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT"

    /// The changes to an intact cache, through a connection without restrictions.
    static let attacks: [String: String] = [
        "trigger": "CREATE TRIGGER evil AFTER INSERT ON run BEGIN DELETE FROM sequence; END",
        "trigger on a temporary name": "CREATE TRIGGER evil AFTER UPDATE ON epoch BEGIN DELETE FROM video; END",
        "view in place of a table": """
        ALTER TABLE failure RENAME TO old; CREATE VIEW failure AS
          \(endless) n AS extraction_id, 'p' AS path, 'e' AS error, 'a' AS at FROM t
        """,
        "view in other letters": """
        ALTER TABLE sequence RENAME TO old; CREATE VIEW SEQUENCE AS \(endless) n AS extraction_id FROM t
        """, "generated column": "ALTER TABLE run ADD COLUMN evil GENERATED ALWAYS AS (hex(zeroblob(500000000)))",
        "check": "ALTER TABLE run ADD COLUMN evil CHECK (length(hex(zeroblob(1000))) > 0)",
        "cascade": """
        DROP TABLE epoch; CREATE TABLE epoch (run_id INTEGER REFERENCES run ON DELETE CASCADE, epoch INTEGER,
          learning_rate REAL, train_loss REAL, train_accuracy REAL, validation_loss REAL,
          validation_accuracy REAL, seconds REAL, PRIMARY KEY (run_id, epoch))
        """,
        "conflict clause": """
        DROP TABLE failure; CREATE TABLE failure (extraction_id INTEGER, path TEXT, error TEXT NOT NULL,
          at TEXT NOT NULL, PRIMARY KEY (extraction_id, path) ON CONFLICT REPLACE)
        """, "expression in an index": "CREATE INDEX evil ON video (hex(zeroblob(1000000)))",
        "partial index": "CREATE INDEX evil ON video (path) WHERE length(hex(zeroblob(1000000))) > 0",
        "missing table": "DROP TABLE prediction",
        "comment that ends elsewhere": """
        PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET sql = replace(sql, 'label TEXT NOT NULL',
          'label TEXT --' || char(13) || 'NOT' || char(10) || ' NULL') WHERE name = 'sample';
        PRAGMA schema_version = 1000
        """,
        "virtual table": "DROP TABLE failure; CREATE VIRTUAL TABLE failure USING fts5(extraction_id, path, error, at)",
        "view in place of a later table": "CREATE VIEW fold AS \(endless) n AS run_id FROM t",
    ]

    private func tampered(_ sql: String, _ name: String = "cache") throws -> String {
        let (cache, _) = try Example.cache(in: scratch)
        _ = try cache.addRun()
        try cache.checkpoint()
        let path = scratch.path + "/\(name)-hostile.sqlite"
        try FileManager.default.copyItem(atPath: cache.path, toPath: path)
        try DatabaseQueue(path: path).writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON")
            try database.execute(sql: sql)
            _ = try database.checkpoint(.truncate)
        }
        return path
    }

    @Test(
        "a schema that this program does not create is rejected immediately, and nothing changes",
        arguments: attacks.keys.sorted())
    func refused(attack: String) throws {
        let path = try tampered(try #require(Self.attacks[attack]))
        let before = try Digest.file(path)
        let begin = ContinuousClock.now
        for body in [
            { _ = try CacheFile(path: path, create: false) },
            { _ = try CacheMerge(output: path + ".out", inputs: [path]).run() },
            { _ = try CacheMerge(output: path, inputs: [scratch.path + "/cache.sqlite"]).run() },
        ] {
            let error = #expect(throws: CacheError.self) { try body() }
            guard case .foreignSchema(let place, _)? = error else {
                Issue.record("\(attack): \(String(describing: error))")
                continue
            }
            #expect(place == path)
        }
        #expect(ContinuousClock.now - begin < soon)
        #expect(try Digest.file(path) == before)
        #expect(!FileManager.default.fileExists(atPath: path + ".out"))
    }

    @Test("unrelated tables and views are accepted, and so are older schemas") func others() throws {
        let path = try tampered(
            "CREATE TABLE notes (x); CREATE VIEW mine AS SELECT * FROM video; CREATE INDEX own ON video (codec)")
        #expect(try CacheFile(path: path, create: false).verify().isWhole)
    }

    @Test("connections run no trigger and do not trust the schema, even if the check were passed") func connections()
        throws
    {
        let path = try tampered(try #require(Self.attacks["trigger"]))
        let queue = try DatabaseQueue(path: path, configuration: CacheConnection.configuration())
        try queue.write { database in
            try database.run("INSERT INTO run (name, model, configuration, state) VALUES ('x', 'm', '{}', 'running')")
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM sequence") == 2)
            #expect(try Int.fetchOne(database, sql: "PRAGMA trusted_schema") == 0)
            #expect(throws: DatabaseError.self) {
                try database.execute(sql: "PRAGMA writable_schema = ON; DELETE FROM sqlite_master")
            }
        }
    }

    @Test("special files are rejected immediately as caches, inputs and frame stores") func specialFiles() throws {
        let pipe = scratch.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        let link = scratch.path + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "pipe")
        let begin = ContinuousClock.now
        for path in [pipe, link, "/dev/zero"] {
            #expect(throws: CacheError.notSQLite(path: path)) { try CacheFile(path: path) }
            #expect(throws: CacheError.notSQLite(path: path)) { try FrameStore(path: path) }
            #expect(throws: CacheError.notSQLite(path: path)) {
                try CacheMerge(output: scratch.path + "/out.sqlite", inputs: [path]).run()
            }
        }
        // Files that SQLite opens next to a cache.
        let (cache, _) = try Example.cache(in: scratch)
        try cache.checkpoint()
        for ending in ["-journal", "-wal", "-shm"] {
            let path = scratch.path + "/beside\(ending).sqlite"
            try FileManager.default.copyItem(atPath: cache.path, toPath: path)
            try #require(mkfifo(path + ending, 0o600) == 0)
            #expect(refusal(of: CacheError.self) { try CacheFile(path: path, create: false) }.contains(path + ending))
        }
        if FileManager.default.fileExists(atPath: "/proc/kmsg") {
            let link = scratch.path + "/kernel"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/proc/kmsg")
            #expect(throws: CacheError.notSQLite(path: link)) { try CacheFile(path: link) }
        }
        // A pipe in place of the lock file.
        try #require(mkfifo(scratch.path + "/locked.sqlite.lock", 0o600) == 0)
        _ = ExtractionLock.isHeld(cache: scratch.path + "/locked.sqlite")
        #expect(ContinuousClock.now - begin < soon)
    }

    @Test("an endless view is aborted after a time limit, and no table is half-written") func endlessView() throws {
        let path = try tampered("CREATE VIEW mine AS \(Self.endless) max(n) AS n FROM t")
        let cache = try CacheFile(path: path, create: false)
        let begin = ContinuousClock.now
        try cache.read { (database: Database) throws -> Void in
            #expect(throws: DatabaseError.self) {
                try CacheConnection.limited(database, milliseconds: 100) { _ in
                    try Int.fetchOne(database, sql: "SELECT n FROM mine")
                }
            }
            // The limit is reset after the work.
            #expect(try Int.fetchOne(database, sql: "SELECT count(*) FROM video") == 2)
        }
        #expect(ContinuousClock.now - begin < soon)
    }

    @Test("a view with endless rows or values is rejected, and no file remains") func endlessExports() throws {
        let path = try tampered(
            """
            CREATE VIEW lines AS \(Self.endless) n FROM t; CREATE VIEW blob AS SELECT zeroblob(900000000) AS b;
            CREATE TABLE wide (a, b GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL); INSERT INTO wide VALUES (1)
            """)
        let cache = try CacheFile(path: path, create: false)
        let begin = ContinuousClock.now
        #expect(throws: ExportError.boundless(table: "lines", reason: "it returns more than 1 MB")) {
            try cache.exportTable("lines", to: scratch.path + "/t.csv", foreignLimit: 1 << 20)
        }
        for table in ["blob", "wide"] {
            #expect(throws: ExportError.boundless(table: table, reason: "a value is too large")) {
                try cache.exportTable(table, to: scratch.path + "/t.csv")
            }
        }
        #expect(ContinuousClock.now - begin < soon)
        #expect(!(try FileManager.default.contentsOfDirectory(atPath: scratch.path)).contains { $0.hasPrefix("t.csv") })
        // The limits are reset after the work.
        #expect(try cache.exportTable("frame_feature", to: scratch.path + "/f.csv") == 5)
    }

    @Test("SQL identifiers are quoted by bytes") func quotedNames() throws {
        let name = "x\u{600}\"; DROP TABLE video; --"
        let path = try tampered(
            "CREATE TABLE \"x\u{600}\"\"; DROP TABLE video; --\" (a); INSERT INTO \"x\u{600}\"\"; DROP TABLE video; "
                + "--\" VALUES (x'00')")
        let cache = try CacheFile(path: path, create: false)
        #expect(try cache.exportTable(name, to: scratch.path + "/t.csv") == 1)
        #expect(try cache.verify().isWhole)
    }
}

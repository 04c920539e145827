import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct HostileMergeTests {
    let scratch = ScratchFolder()

    private func cache(_ name: String, _ videos: Range<Int>) throws -> CacheFile {
        try Example.cache(name, videos, in: scratch)
    }

    private func tamper(_ cache: CacheFile, _ sql: String) throws {
        try DatabaseQueue(path: cache.path).writeWithoutTransaction { database in
            // As an attacker could: the columns of a schema that is restored afterwards can contain anything.
            try database.execute(sql: "PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON")
            try database.execute(sql: sql)
        }
    }

    private func content(_ cache: CacheFile) throws -> [String] {
        try cache.read { database in
            try ["video", "sample", "extraction", "sequence", "failure", "run"].flatMap { table in
                try Row.fetchAll(database, sql: "SELECT * FROM \(table)").map { "\(table) \($0)" }
            }
        }
    }

    static let damages = [
        "an impossible size": "UPDATE extraction SET max_frames = 4611686018427387903",
        "another recipe": "UPDATE extraction SET recipe = 'other'",
        "features of zeros under their old checksum": "UPDATE sequence SET features = zeroblob(length(features))",
        "a longer length": "UPDATE sequence SET length = 4, mask = '1111' WHERE length < 4",
        "another mask": "UPDATE sequence SET mask = '0000'",
        "a text for features": "UPDATE sequence SET features = 'x'", "a missing video": "DELETE FROM video",
        "another element type": """
        UPDATE extraction SET element_type = 'float16';
        UPDATE sequence SET features = substr(features, 1, length(features) / 2)
        """, "a blob for a data set": "UPDATE sample SET dataset = x'00ff' WHERE video_id = 1",
        "an unknown split": "UPDATE sample SET split = 'x'",
        "a digest in capitals": "UPDATE video SET digest = upper(digest)",
        "a blob for a view": "UPDATE sequence SET view = x'00'",
        "a text for a count": "UPDATE sequence SET decode_errors = 'x' || char(27)",
        "indices beyond all frames": "UPDATE sequence SET frame_indices = replace(frame_indices, '0', '1e300')",
        "hexadecimal indices": "UPDATE sequence SET frame_indices = replace(frame_indices, '5', '0x5')",
        "a blob for a backbone": "UPDATE extraction SET backbone = x'ff'",
        "a blob for a run's state":
            "INSERT INTO run (name, model, configuration, state) VALUES ('r', 'm', '{}', x'ff')",
        "no checksum": """
        UPDATE sqlite_master SET sql = replace(sql, 'checksum TEXT NOT NULL', 'checksum TEXT') WHERE name = 'sequence';
        PRAGMA schema_version = 1000
        """,
    ]

    @Test(
        "a damaged input is an error that names it, and the receiving cache is unchanged",
        arguments: damages.keys.sorted())
    func damaged(damage: String) throws {
        let good = try cache("good", 0..<3)
        let bad = try cache("bad", 2..<9)
        try tamper(bad, try #require(Self.damages[damage]))
        if damage == "no checksum" {
            try tamper(bad, "UPDATE sequence SET checksum = NULL")
            try tamper(
                bad,
                """
                UPDATE sqlite_master SET sql = replace(sql, 'checksum TEXT,', 'checksum TEXT NOT NULL,')
                  WHERE name = 'sequence'; PRAGMA schema_version = 2000
                """)
        }
        let before = try content(good)
        let error = #expect(throws: (any Error).self) { try CacheMerge(output: good.path, inputs: [bad.path]).run() }
        #expect(!(try bad.verify().isWhole))
        #expect(error?.localizedDescription.contains(bad.path) == true, "\(String(describing: error))")
        #expect(try content(good) == before)
        #expect(try good.verify().isWhole)
    }

    @Test("recipes with equal digests and different sizes are never merged, even if each cache is valid")
    func otherSizes() throws {
        let good = try cache("good", 0..<3)
        let other = try CacheFile(path: "\(scratch.path)/other.sqlite")
        let id = try other.addExtraction(Example.extraction(maxFrames: 2))
        let video = Example.video("w.mp4")
        try other.register(video)
        try other.store(Example.sequence(length: 1), video: video, extraction: id, maxFrames: 2, featureSize: 3)
        #expect(try other.verify().isWhole)
        let before = try content(good)
        #expect(
            refusal(of: CacheConflict.self) {
                try CacheMerge(output: good.path, inputs: [other.path]).run()
            }.contains(other.path))
        #expect(try content(good) == before)
    }

    @Test("a UTF-16 cache that cannot be merged is an error that names it") func encoding() throws {
        let good = try cache("good", 0..<3)
        let path = scratch.path + "/utf16.sqlite"
        try DatabaseQueue(path: path).writeWithoutTransaction { database in
            let parts = [Schema.tables, Schema.indexes, Schema.windows, Schema.views].joined(separator: "\n")
            let numbers = "PRAGMA user_version = \(Schema.version); PRAGMA application_id = \(Schema.applicationID)"
            try database.execute(sql: "PRAGMA encoding = 'UTF-16'; \(parts) \(numbers)")
        }
        #expect(refusal(of: CacheError.self) { try CacheMerge(output: good.path, inputs: [path]).run() }.contains(path))
    }

    @Test("of two inputs with equal checksums, the one with damaged features is not used") func equalChecksums() throws
    {
        let whole = try cache("whole", 0..<4)
        let zeroed = try cache("zeroed", 0..<4)
        try tamper(zeroed, "UPDATE sequence SET features = zeroblob(length(features))")
        let output = scratch.path + "/out.sqlite"
        let error = #expect(throws: CacheConflict.self) {
            try CacheMerge(output: output, inputs: [zeroed.path, whole.path]).run()
        }
        guard case .damaged(let path, _, let what)? = error else { throw Unexpected(found: error) }
        #expect(path == zeroed.path && what == "its features do not match their checksum")
        // Existing features are not read again.
        #expect(try CacheMerge(output: output, inputs: [whole.path, zeroed.path]).run().sequences == 4)
        #expect(try CacheFile(path: output, create: false).verify().isWhole)
    }
}

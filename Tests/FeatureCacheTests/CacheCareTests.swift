import Digests
import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct CacheCareTests {
    let scratch = ScratchFolder()

    private func damage(_ cache: CacheFile) throws -> [String] {
        try cache.verify().problems.filter(\.isDamage).map { "\($0.place) \($0.what)" }
    }

    // MARK: - verify

    @Test("an intact cache has no problems, in float32 and float16", arguments: StoredType.allCases)
    func whole(_ type: StoredType) throws {
        let result = try Example.cache(in: scratch, as: type).cache.verify()
        #expect(result.isWhole && result.problems.isEmpty)
        #expect(result.sequences == 2 && result.bytes == 2 * 12 * type.bytes)
    }

    @Test(
        "changes made by hand are found, and errors name them",
        arguments: [
            ("UPDATE sequence SET mask = '1010' WHERE length = 2", "mask"),
            ("UPDATE sequence SET length = 9 WHERE length = 2", "length"),
            ("UPDATE sequence SET length = 3, mask = '1110' WHERE length = 2", "frame_indices are not 3"),
            ("UPDATE sequence SET frame_indices = '[5,0]' WHERE length = 2", "frame_indices decrease"),
            ("UPDATE sequence SET frame_indices = '[0,x]' WHERE length = 2", "frame_indices"),
            ("UPDATE sequence SET frame_times = '[0.0,0.2' WHERE length = 2", "frame_times"),
            ("UPDATE sequence SET features = zeroblob(48) WHERE length = 2", "checksum"),
            ("UPDATE sequence SET features = zeroblob(44) WHERE length = 2", "44 bytes, not 48"),
            ("UPDATE sequence SET checksum = 'x' WHERE length = 2", "checksum"),
            ("UPDATE extraction SET recipe = 'other'", "recipe that does not match its digest"),
            ("UPDATE extraction SET feature_shape = '[4]'", "feature_size 3"),
            ("UPDATE sample SET split = 'tset' WHERE label = 'run'", "unknown split tset"),
            ("UPDATE video SET digest = 'x' WHERE path = 'b.mp4'", "not a SHA-256"),
            ("INSERT INTO failure VALUES (99, 'c.mp4', 'broken', '')", "belongs to no recipe"),
            ("PRAGMA foreign_keys = OFF; DELETE FROM video WHERE path = 'b.mp4'", "a missing row of video"),
        ])
    func changed(_ sql: String, _ expected: String) throws {
        let cache = try Example.cache(in: scratch).cache
        try cache.database.writeWithoutTransaction { try $0.execute(sql: sql) }
        let found = try damage(cache)
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test("non-zero padding is found even if the checksum includes it") func padding() throws {
        let cache = try Example.cache(in: scratch).cache
        try cache.write { database in
            var blob = try #require(try Data.one(database, "SELECT features FROM sequence WHERE length = 2"))
            blob[40] = 1
            try database.run(
                "UPDATE sequence SET features = ?, checksum = ? WHERE length = 2", [blob, hexDigest(blob)])
        }
        #expect(try damage(cache).count == 1)
    }

    @Test("any flipped byte of the features in the file is found; no flipped byte anywhere crashes `verify`")
    func flippedBytes() throws {
        let cache = try Example.cache(in: scratch).cache
        let path = cache.path
        let features = try cache.rows("SELECT features FROM sequence") { $0[0] as Data }
        try cache.checkpoint()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let blobs = try features.map { try #require(whole.range(of: $0)) }
        var generator = SystemRandomNumberGenerator()
        for number in 0..<150 {
            let place =
                number < 50 ? blobs[number % 2].randomElement()! : Int.random(in: 0..<whole.count, using: &generator)
            var bytes = whole
            bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
            let other = try scratch.file("flipped-\(number).sqlite", bytes)
            var isFound = true
            do { isFound = try !CacheFile(path: other).verify().isWhole } catch is CacheError {} catch is DatabaseError
            {}
            if blobs.contains(where: { $0.contains(place) }) { #expect(isFound, "byte \(place)") }
        }
    }

    // MARK: - schema

    private func oldCache() throws -> String {
        let path = scratch.path + "/old.sqlite"
        try Example.alter(
            path,
            """
            \(Schema.tables) \(Schema.views)
            INSERT INTO video (digest, path) VALUES ('d', 'a.mp4');
            PRAGMA user_version = 1;
            PRAGMA application_id = \(Schema.applicationID)
            """)
        return path
    }

    @Test("a cache with an older schema is migrated; a copy of the old one remains") func migration() throws {
        let path = try oldCache()
        let before = try Data(contentsOf: URL(fileURLWithPath: path))
        let cache = try CacheFile(path: path)
        #expect(try cache.summary().schemaVersion == Schema.version)
        let indexes = try cache.read {
            try String.fetchAll($0, sql: "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%' ORDER BY 1")
        }
        #expect(
            indexes == [
                "annotation_label", "annotation_video", "membership_video", "prediction_video", "sample_video",
                "sequence_video",
            ])
        #expect(try cache.read { try String.fetchAll($0, sql: "SELECT path FROM video") } == ["a.mp4"])
        let backup = CacheFile.backupPath(of: path, version: 1)
        let copy = try DatabaseQueue(path: backup).read { try CacheIdentity($0) }
        #expect(copy.version == 1 && copy.tables > 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: backup)).count == before.count)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).allSatisfy { !$0.contains("partial") })
        _ = try CacheFile(path: path)
    }

    @Test("a migrated cache has the same schema as a new one") func migratedSchema() throws {
        func schema(_ cache: CacheFile) throws -> Set<String> {
            try cache.read { Set(try String.fetchAll($0, sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")) }
        }
        #expect(try schema(CacheFile(path: oldCache())) == schema(CacheFile(path: scratch.path + "/new.sqlite")))
    }

    /// A cache of version 3 with a plain run, a cross-validated one, one that diverged, and one that was killed.
    private func cacheWithRuns() throws -> String {
        let path = scratch.path + "/runs.sqlite"
        try Example.alter(
            path,
            """
            \(Schema.tables) \(Schema.indexes) \(Schema.windows) \(Schema.views)
            INSERT INTO video (id, digest, path) VALUES (1, 'd1', '1.mp4'), (2, 'd2', '2.mp4'), (3, 'd3', '3.mp4');
            INSERT INTO run (id, name, model, configuration, state) VALUES
              (1, 'plain', 'gru', '{"epochs": 3}', 'finished'),
              (2, 'folded', 'gru', '{"folds": 3}', 'finished'),
              (3, 'nan', 'gru', 'no JSON', 'finished'), (4, 'killed', 'gru', '{}', 'running');
            INSERT INTO prediction VALUES
              (1, 1, 'train', 'a', 'a', 0.9, '[0.9,0.1]'), (1, 2, 'validation', 'a', 'b', 0.6, '[0.4,0.6]'),
              (1, 3, 'test', 'b', 'b', 0.7, '[0.3,0.7]'),
              (2, 1, 'train', 'a', 'a', 0.9, '[0.9,0.1]'), (2, 1, 'validation', 'a', 'b', 0.9, '[0.1,0.9]'),
              (3, 1, 'train', 'a', 'a', NULL, '[nan,nan]'), (3, 3, 'test', 'b', 'a', NULL, '[nan,nan]');
            PRAGMA user_version = 3;
            PRAGMA application_id = \(Schema.applicationID)
            """)
        return path
    }

    @Test("runs of version 3 get the clips of their predictions; a note names runs without predictions")
    func recoveredMembers() throws {
        let cache = try CacheFile(path: cacheWithRuns())
        func roles(_ run: Int64) throws -> [String] {
            try cache.members(run: run).map { "\($0.path) \($0.role.rawValue)" }
        }
        #expect(try roles(1) == ["1.mp4 train", "2.mp4 validation", "3.mp4 test"])
        #expect(try roles(2) == ["1.mp4 heldout", "1.mp4 train"])
        #expect(try cache.runsWithoutMembers() == ["killed"])
        #expect(try cache.runs().count == 4)
    }

    @Test("NaN predictions, which version 3 counted as correct, no longer count as predictions")
    func recoveredNaN() throws {
        let cache = try CacheFile(path: cacheWithRuns())
        let stored = try cache.predictions(run: 3, split: "train")
        #expect(stored.count == 1 && stored[0].predicted.isEmpty && !stored[0].isScored)
        #expect(try cache.runs().map(\.state) == ["finished", "finished", "diverged", "running"])
        #expect(try cache.runs()[2].testAccuracy == 0)
        let right = try cache.read { try Int.fetchAll($0, sql: "SELECT correct FROM class_accuracy WHERE run = 'nan'") }
        #expect(right == [0, 0])
        #expect(try cache.predictions(run: 1, split: "test")[0].probabilities == [0.3, 0.7])
    }

    @Test("an older cache that another process extracts into is not modified") func migrationWaits() throws {
        let path = try oldCache()
        let lock = try ExtractionLock(cache: path)
        #expect(throws: CacheError.beingExtracted(path: path)) { try CacheFile(path: path) }
        withExtendedLifetime(lock) {}
        #expect(!FileManager.default.fileExists(atPath: CacheFile.backupPath(of: path, version: 1)))
    }

    // MARK: - prune

    @Test("a recipe is deleted with its features and failures; its runs keep their results") func pruneRecipe() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let other = try cache.addExtraction(Example.extraction("other", recipe: "d2"))
        try cache.store(
            Example.sequence(), video: Example.video("a.mp4"), extraction: other, maxFrames: 4, featureSize: 3)
        let run = try cache.addRun("r", extraction)
        var pruning = CachePruning()
        pruning.recipes = [try cache.extraction(called: "tiny").id]
        #expect(try cache.prune(pruning, dryRun: true).sequences == 2)
        #expect(try cache.extractions().count == 2)
        let summary = try cache.prune(pruning)
        #expect(summary.recipes == 1 && summary.sequences == 2 && summary.videos == 0 && summary.runs == 0)
        #expect(try cache.extractions().map(\.record.name) == ["other"])
        #expect(try cache.run(named: "r") == run)
        #expect(try cache.verify().isWhole)
    }

    @Test("deleting a run deletes its predictions, and deleting damaged and unused sequences deletes nothing else")
    func pruneOthers() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let run = try cache.addRun("r", extraction)
        try cache.store([Example.prediction()], run: run)
        try cache.write { database in
            try database.execute(sql: "UPDATE sequence SET features = zeroblob(48) WHERE length = 2")
            try database.execute(sql: "DELETE FROM sample WHERE label <> 'run'")
        }
        var pruning = CachePruning()
        pruning.damaged = try cache.damagedSequences()
        #expect(pruning.damaged.count == 1)
        #expect(try cache.prune(pruning).sequences == 1)
        pruning = CachePruning()
        pruning.isUnused = true
        let unused = try cache.prune(pruning)
        #expect(unused.sequences == 1 && unused.videos == 1)
        pruning = CachePruning()
        pruning.runs = [run]
        #expect(try cache.prune(pruning).runs == 1)
        #expect(try cache.runs().isEmpty)
        #expect(try cache.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM prediction") } == 0)
        #expect(try cache.verify().isWhole)
    }

    @Test("a video that was removed from one data set stays if another data set or a run's predictions use it")
    func pruneVanished() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let both = try cache.register(Example.video("a.mp4"), dataset: "second", label: "x")
        let run = try cache.addRun("r", extraction)
        let other = try #require(try cache.videos(dataset: "demo").first { $0.path == "b.mp4" }).id
        try cache.store([Example.prediction(other, label: "x", "x")], run: run)
        var pruning = CachePruning()
        pruning.vanished = ("demo", [both, other])
        let summary = try cache.prune(pruning)
        #expect(summary.sequences == 1 && summary.videos == 0)
        #expect(try cache.videos(dataset: "demo").isEmpty)
        #expect(try cache.predictions(run: run, split: "test").count == 1)
        #expect(try cache.features(dataset: "second", extraction: extraction).examples.map(\.path) == ["a.mp4"])
    }

    @Test("a missing or ambiguous recipe is an error that names it") func pruneUnknown() throws {
        let (cache, _) = try Example.cache(in: scratch)
        #expect(throws: PruningError.unknownRecipe("tyni", known: ["tiny"])) { try cache.extraction(called: "tyni") }
        let digest = Example.extraction().digest
        #expect(try cache.extraction(called: String(digest.prefix(8))).record.digest == digest)
        _ = try cache.addExtraction(Example.extraction("tiny", recipe: "d2"))
        #expect(throws: PruningError.self) { try cache.extraction(called: "tiny") }
    }

    // MARK: - info and float16

    @Test("the summary counts recipes, coverage and bytes") func summary() throws {
        let (cache, extraction) = try Example.cache(in: scratch, as: .float16)
        try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
        let summary = try cache.summary()
        let recipe = try #require(summary.recipes.first)
        #expect(recipe.videos == 2 && recipe.sequences == 2 && recipe.bytes == 48 && recipe.failures == 1)
        #expect(recipe.elementType == "float16")
        #expect(summary.coverage.map(\.split) == ["test", "train"])
        #expect(summary.coverage.allSatisfy { $0.videos == 1 && $0.extracted[recipe.digest] == 1 })
        let size = try FileManager.default.attributesOfItem(atPath: cache.path)[.size] as? Int
        #expect(summary.bytes >= 4096 && (size ?? 0) <= summary.bytes)
    }

    @Test("float16 takes half the bytes, and loaded features equal the stored ones, rounded to nearest even")
    func halfPrecision() throws {
        let cache = try CacheFile(path: scratch.path + "/half.sqlite")
        let id = try cache.addExtraction(Example.extraction(maxFrames: 3, elementType: .float16))
        let numbers: [Float] = [1, 1.0004883, 1.0014648, 65504, 1e6, 6e-8]
        try cache.register(Example.video("a"), label: "x")
        try cache.store(
            SequenceRecord(frameIndices: [0, 1], frameTimes: [0, 1], decodeErrors: 0, features: numbers),
            video: Example.video("a"), extraction: id, maxFrames: 3, featureSize: 3, as: .float16)
        let expected: [Float] = [1, 1, 1.0019531, 65504, .infinity, 5.9604645e-08]
        #expect(try cache.features(dataset: "demo", extraction: id).rows == expected)
        #expect(StoredType.float16.rounding(numbers) == expected)
        let streamed = try cache.features(dataset: "demo", extraction: id, memory: 0)
        #expect(try streamed.gather(streamed.examples[0].views[0].frames.suffix(1)).rows == expected.suffix(3))
        let rows = try DatabaseQueue(path: cache.path).read {
            try Data.fetchAll($0, sql: "SELECT feature FROM frame_feature ORDER BY position")
        }
        #expect(rows.map(\.count) == [6, 6])
        #expect(rows[0].prefix(2) == Data([0x00, 0x3C]))
        #expect(try cache.verify().isWhole)
    }

    @Test("features that would not fit on the disk are rejected before extraction; existing ones are not counted")
    func room() throws {
        let path = scratch.path + "/room.sqlite"
        let cache = try CacheFile(path: path)
        let record = Example.extraction()
        let id = try cache.addExtraction(record)
        try cache.requireRoom(forSequences: 100, of: StoredExtraction(id: id, record: record))
        #expect { try cache.requireRoom(forSequences: 1 << 44, of: StoredExtraction(id: id, record: record)) } throws: {
            ($0 as? CacheError)?.errorDescription?.contains("float16") == true
        }
    }
}

import Digests
import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct CacheFileTests {
    let scratch = ScratchFolder()

    @Test("stored features are loaded: valid rows, labels and order by path") func storeAndLoad() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let features = try cache.features(dataset: "demo", extraction: extraction)
        #expect(features.examples.map(\.path) == ["a.mp4", "b.mp4"])
        #expect(features.examples.map(\.label) == ["it's \"odd\" ✓", "run"])
        #expect(features.examples.map(\.length) == [3, 2])
        #expect(features.examples.map(\.firstRow) == [0, 3])
        let expected: [Float] = [10, 11, 12, 13, 14, 15, 16, 17, 18, 0, 1, 2, 3, 4, 5]
        #expect(features.rows == expected)
        let one = try cache.features(dataset: "demo", extraction: extraction, labels: ["run"])
        #expect(one.examples.map(\.path) == ["b.mp4"])
        #expect(one.examples[0].firstRow == 0)
    }

    @Test("garbage in padded rows of the file is not read") func paddedRowsAreNotRead() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let before = try cache.features(dataset: "demo", extraction: extraction)
        try cache.write { database in
            for row in try Row.fetchAll(database, sql: "SELECT rowid, length, features FROM sequence") {
                var blob: Data = row["features"]
                for byte in (row["length"] as Int) * 12..<blob.count { blob[byte] = 0xFF }  // NaN
                try database.execute(
                    sql: "UPDATE sequence SET features = ? WHERE rowid = ?", arguments: [blob, row["rowid"] as Int64])
            }
        }
        #expect(try cache.features(dataset: "demo", extraction: extraction).rows == before.rows)
    }

    @Test("the schema has the documented tables and views") func schema() throws {
        let (cache, _) = try Example.cache(in: scratch)
        func columns(_ table: String) throws -> [String] {
            // Like a user's connection: the program's own connections do not trust the schema.
            try DatabaseQueue(path: cache.path).read {
                try String.fetchAll($0, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table])
            }
        }
        #expect(
            try columns("sequence") == [
                "extraction_id", "video_id", "view", "length", "mask", "frame_indices", "frame_times", "decode_errors",
                "checksum", "features", "window_ends",
            ])
        #expect(
            try columns("frame_feature").prefix(8) == [
                "extraction", "path", "label", "position", "frame_index", "time", "mask", "feature",
            ])
        #expect(
            try columns("coverage") == [
                "dataset", "extraction", "split", "label", "videos", "frames", "mean_length", "failures",
            ])
        #expect(try columns("membership") == ["run_id", "video_id", "role"])
        #expect(try columns("confusion") == ["run", "split", "label", "predicted", "videos"])
        #expect(
            try columns("class_accuracy") == [
                "run", "split", "label", "videos", "correct", "accuracy", "recall", "precision", "f1",
            ])
        #expect(
            try columns("label_accuracy") == [
                "run", "split", "label", "videos", "predicted", "correct", "recall", "precision", "f1",
            ])
        #expect(
            try columns("annotation") == [
                "id", "dataset", "video_id", "label", "start_time", "end_time", "source", "created_at",
            ])
        #expect(try columns("metric") == ["run_id", "split", "name", "value"])
        let settings = try cache.read { database in
            try ["user_version", "application_id", "journal_mode", "foreign_keys", "synchronous"].map {
                try String.fetchOne(database, sql: "PRAGMA \($0)") ?? ""
            }
        }
        #expect(settings == ["\(Schema.version)", "\(0x5A4F_4554)", "wal", "1", "2"])
    }

    @Test("a row of frame_feature is one frame: its index, time and float blob") func frameFeature() throws {
        let (cache, _) = try Example.cache(in: scratch)
        let rows = try DatabaseQueue(path: cache.path).read {
            try Row.fetchAll($0, sql: "SELECT * FROM frame_feature WHERE path = 'a.mp4' ORDER BY position")
        }
        #expect(rows.count == 3)
        #expect(rows.map { $0["frame_index"] as Int } == [0, 5, 10])
        #expect(rows.map { $0["time"] as Double } == [0, 0.2, 0.4])
        #expect(rows.map { $0["mask"] as Int } == [1, 1, 1])
        #expect(Set(rows.map { $0["label"] as String }) == ["it's \"odd\" ✓"])
        let second: Data = rows[1]["feature"]
        #expect(second.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } == [13, 14, 15])
    }

    @Test("masks, padding and checksums are stored as documented") func sequenceRow() throws {
        let (cache, _) = try Example.cache(in: scratch)
        let row = try #require(
            try cache.read {
                try Row.fetchOne($0, sql: "SELECT * FROM sequence JOIN video ON id = video_id WHERE path = 'b.mp4'")
            })
        #expect(row["mask"] as String == "1100")
        #expect(row["frame_indices"] as String == "[0,5]")
        #expect(row["frame_times"] as String == "[0.0,0.2]")
        let blob: Data = row["features"]
        #expect(blob.count == 4 * 3 * 4)
        #expect(blob.suffix(24) == Data(count: 24))
        #expect(row["checksum"] as String == hexDigest(blob))
    }

    @Test("coverage counts videos, frames and failures per label") func coverage() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        try cache.register(VideoRecord(digest: "x", path: "bad.mp4"))
        try cache.recordFailure(path: "bad.mp4", error: "broken", extraction: extraction)
        let row = try #require(
            try cache.read { try Row.fetchOne($0, sql: "SELECT * FROM coverage WHERE label = 'run'") })
        #expect(row["videos"] as Int == 1)
        #expect(row["frames"] as Int == 2)
        #expect(row["failures"] as Int == 1)
    }

    @Test("a successful extraction removes an earlier failure") func failureIsForgotten() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
        let failures = try cache.failures(extraction: extraction)
        #expect(failures.keys.sorted() == ["c.mp4"])
        #expect(abs(failures["c.mp4"]?.at.timeIntervalSinceNow ?? 1e9) < 60)
        try cache.store(
            Example.sequence(), video: Example.video("c.mp4"), extraction: extraction, maxFrames: 4, featureSize: 3)
        #expect(try cache.failures(extraction: extraction).isEmpty)
    }

    @Test("videos are stored in one transaction; if one fails, those before it are kept, each of them complete")
    func together() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        func new(_ name: String, view: Int = 0) -> NewSequence {
            NewSequence(
                Example.sequence(view: view), video: Example.video(name), extraction: extraction, maxFrames: 4,
                featureSize: 3, as: .float32)
        }
        func views(_ name: String) throws -> Set<Int>? {
            try cache.extractedViews(extraction: extraction)[Example.video(name).digest]
        }
        try cache.store([])
        try cache.store([[new("c.mp4"), new("c.mp4", view: 1)], [new("d.mp4")]])
        #expect(try views("c.mp4") == [0, 1] && views("d.mp4") == [0])
        // An existing row cannot be stored again.
        let clips = [[new("e.mp4")], [new("f.mp4"), new("c.mp4")], [new("g.mp4")]]
        #expect(throws: (any Error).self) { try cache.store(clips) }
        #expect(try views("e.mp4") == [0] && views("f.mp4") == nil && views("g.mp4") == nil)
        #expect(try cache.extractedViews(extraction: extraction).count == 5)
    }

    @Test("several recipes are stored in one cache; the same recipe keeps its row") func recipes() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let other = try cache.addExtraction(Example.extraction("other", recipe: "d2"))
        #expect(other != extraction)
        #expect(try cache.addExtraction(Example.extraction("renamed")) == extraction)
        #expect(try cache.extractedViews(extraction: extraction).count == 2)
        #expect(try cache.extractedViews(extraction: other).isEmpty)
        #expect(try cache.extractions().map(\.record.name) == ["other", "tiny"])
    }

    @Test("runs, epochs and predictions appear in the views") func runs() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        let run = try cache.addRun("r1", extraction)
        #expect(throws: CacheError.runExists(name: "r1")) {
            try cache.addRun(name: "r1", extraction: extraction, dataset: "demo", model: "", configuration: "", seed: 0)
        }
        try cache.addEpoch(Example.epoch, run: run)
        let predictions = [Example.prediction(), Example.prediction(2, "jump")]
        try cache.store(predictions, run: run)
        #expect(try cache.predictions(run: run, split: "test") == predictions)
        let accuracy = try cache.read { try Row.fetchOne($0, sql: "SELECT * FROM class_accuracy") }
        #expect(accuracy?["videos"] as Int? == 2)
        #expect(accuracy?["correct"] as Int? == 1)
        #expect(accuracy?["accuracy"] as Double? == 0.5)
        #expect(try cache.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM confusion") } == 2)
    }

    @Test("a file that is no cache is rejected and not modified") func notACache() throws {
        let text = scratch.path + "/notes.sqlite"
        try Data(repeating: UInt8(ascii: "x"), count: 5000).write(to: URL(fileURLWithPath: text))
        #expect(throws: CacheError.notSQLite(path: text)) { try CacheFile(path: text) }
        #expect(FileManager.default.contents(atPath: text) == Data(repeating: UInt8(ascii: "x"), count: 5000))

        let other = scratch.path + "/other.sqlite"
        try DatabaseQueue(path: other).write { try $0.execute(sql: "CREATE TABLE t (x)") }
        #expect(throws: CacheError.notCache(path: other)) { try CacheFile(path: other) }
        #expect(throws: CacheError.notSQLite(path: scratch.path)) { try CacheFile(path: scratch.path) }
        let missing = scratch.path + "/missing.sqlite"
        #expect(throws: CacheError.missing(path: missing)) { try CacheFile(path: missing, create: false) }
        #expect(!FileManager.default.fileExists(atPath: missing))
    }

    @Test("a cache of another schema version is rejected and not modified") func otherVersion() throws {
        let path = scratch.path + "/cache.sqlite"
        do {
            let (cache, _) = try Example.cache(in: scratch)
            try cache.write { try $0.execute(sql: "PRAGMA user_version = 7") }
        }
        #expect(throws: CacheError.otherVersion(path: path, found: 7, expected: Schema.version)) {
            try CacheFile(path: path)
        }
        let videos = try DatabaseQueue(path: path).read { try Int.fetchOne($0, sql: "SELECT count(*) FROM video") }
        #expect(videos == 2)
    }

    @Test("a full disk is an error that says so, and previously stored features stay intact") func fullDisk() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        try cache.database.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
        #expect(throws: CacheError.full(path: cache.path)) {
            for index in 0..<100 {
                let large = SequenceRecord(
                    frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: Array(repeating: 1, count: 3000))
                try cache.store(
                    large, video: Example.video("v\(index)"), extraction: extraction, maxFrames: 1, featureSize: 3000)
            }
        }
        #expect(try cache.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
        #expect(try cache.features(dataset: "demo", extraction: extraction).examples.count == 2)
    }

    @Test("a truncated blob is an error that names its video") func truncatedBlob() throws {
        let (cache, extraction) = try Example.cache(in: scratch)
        try cache.write { try $0.execute(sql: "UPDATE sequence SET features = substr(features, 1, 7)") }
        #expect(throws: CacheError.damagedSequence(path: cache.path, video: "a.mp4")) {
            try cache.features(dataset: "demo", extraction: extraction)
        }
    }

    @Test("only one extraction at a time locks a cache; the next one can follow") func lock() throws {
        let path = scratch.path + "/cache.sqlite"
        do {
            let lock = try ExtractionLock(cache: path)
            #expect(throws: CacheError.beingExtracted(path: path)) { try ExtractionLock(cache: path) }
            withExtendedLifetime(lock) {}
        }
        _ = try ExtractionLock(cache: path)
        #expect(!FileManager.default.fileExists(atPath: path + ".lock"))
    }
}

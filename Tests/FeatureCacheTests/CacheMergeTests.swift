import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

@Suite struct CacheMergeTests {
    let scratch = ScratchFolder()

    private func cache(_ name: String, _ videos: Range<Int>, start: Float = 0, label: String = "run") throws
        -> CacheFile
    { try Example.cache(name, videos, start: start, label: label, in: scratch) }

    /// All content except row numbers and the time at which a recipe was first used.
    private func content(_ cache: CacheFile) throws -> [String] {
        try cache.read { database in
            try [
                """
                SELECT extraction.digest, video.digest, view, length, mask, frame_indices, frame_times, decode_errors,
                  checksum, features FROM sequence JOIN extraction ON extraction.id = extraction_id
                  JOIN video ON video.id = video_id ORDER BY 1, 2, 3
                """,
                "SELECT dataset, digest, label, split, \"group\" FROM sample JOIN video ON id = video_id ORDER BY 1, 2",
                "SELECT digest, path, width, height, frame_count, frame_rate, duration, codec FROM video ORDER BY 1",
                "SELECT digest, name, recipe FROM extraction ORDER BY 1", "SELECT path, error FROM failure ORDER BY 1",
                "SELECT run.name, epoch.* FROM run LEFT JOIN epoch ON run_id = run.id ORDER BY 1, epoch",
            ].flatMap { try Row.fetchAll(database, sql: $0).map(\.description) }
        }
    }

    private func merge(_ output: String, _ inputs: [CacheFile]) throws -> CacheMerge.Summary {
        try CacheMerge(output: "\(scratch.path)/\(output).sqlite", inputs: inputs.map(\.path)).run()
    }

    private func open(_ name: String) throws -> CacheFile {
        try CacheFile(path: "\(scratch.path)/\(name).sqlite", create: false)
    }

    @Test("merged shards equal the whole, in any order, repeated and overlapping") func parts() throws {
        let whole = try content(cache("whole", 0..<9))
        let parts = [try cache("a", 0..<4), try cache("b", 3..<7), try cache("c", 7..<9)]
        #expect(try merge("out", parts).sequences == 9)
        #expect(try content(open("out")) == whole)
        let again = try merge("out", parts.reversed())
        #expect(again.sequences == 0 && again.skipped == 10)
        #expect(try content(open("out")) == whole)
        #expect(try merge("backwards", parts.reversed()).sequences == 9)
        #expect(try content(open("backwards")) == whole)
        let cache = try open("out")
        #expect(try cache.verify().isWhole)
        #expect(try cache.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
    }

    @Test("an interrupted merge resumes") func resumed() throws {
        let whole = try content(cache("whole", 0..<6))
        let parts = [try cache("a", 0..<3), try cache("b", 3..<6)]
        var asked = 0
        let stopped = try CacheMerge(output: scratch.path + "/out.sqlite", inputs: parts.map(\.path)).run(isCancelled: {
            asked += 1
            return asked > 4
        })
        #expect(stopped.wasCancelled && stopped.sequences == 3)
        #expect(try open("out").verify().isWhole)
        #expect(try merge("out", parts).sequences == 3)
        #expect(try content(open("out")) == whole)
    }

    @Test("a merge that is cancelled while caches are compared writes nothing") func stoppedEarly() throws {
        let part = try cache("a", 0..<3)
        let output = scratch.path + "/out.sqlite"
        let stopped = try CacheMerge(output: output, inputs: [part.path]).run(isCancelled: { true })
        #expect(stopped.wasCancelled && stopped.sequences == 0)
        #expect(!FileManager.default.fileExists(atPath: output))
    }

    @Test("different features for the same video and recipe are an error, and nothing is written")
    func conflictingFeatures() throws {
        let parts = [try cache("a", 0..<3), try cache("b", 2..<5, start: 0.5)]
        #expect(
            throws: CacheConflict.features(video: "v2.mp4", recipe: "tiny", first: parts[0].path, second: parts[1].path)
        ) { try merge("out", parts) }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.sqlite"))
        let before = try content(parts[0])
        #expect(throws: CacheConflict.self) { try merge("a", [parts[1]]) }
        #expect(try content(parts[0]) == before)
    }

    @Test("a different label for the same video is an error") func conflictingSamples() throws {
        let parts = [try cache("a", 0..<3), try cache("b", 2..<5, label: "jump")]
        #expect(
            throws: CacheConflict.sample(video: "v2.mp4", dataset: "demo", first: parts[0].path, second: parts[1].path)
        ) { try merge("out", parts) }
    }

    @Test(
        "a file that is no cache, has another schema, is missing, is being written or is the output itself is rejected")
    func refused() throws {
        let whole = try cache("a", 0..<2)
        let text = try scratch.file("text.sqlite", "no cache")
        let missing = scratch.path + "/missing.sqlite"
        let newer = try cache("newer", 0..<1)
        try newer.write { try $0.execute(sql: "PRAGMA user_version = 9") }
        func refusal(_ input: String) -> (any Error)? {
            do {
                _ = try CacheMerge(output: scratch.path + "/out.sqlite", inputs: [whole.path, input]).run()
                return nil
            } catch { return error }
        }
        #expect(refusal(text) as? CacheError == .notSQLite(path: text))
        #expect(refusal(missing) as? CacheError == .missing(path: missing))
        #expect(
            refusal(newer.path) as? CacheError == .otherVersion(path: newer.path, found: 9, expected: Schema.version))
        let lock = try ExtractionLock(cache: whole.path)
        #expect(refusal(whole.path) as? CacheError == .beingExtracted(path: whole.path))
        withExtendedLifetime(lock) {}
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.sqlite"))
        #expect(throws: CacheConflict.sameFile(path: whole.path)) { try merge("a", [whole]) }
    }

    @Test("failures are merged: the later one is kept, and features remove them") func failures() throws {
        let (first, second) = (try cache("a", 0..<2), try cache("b", 2..<3))
        let id = try first.extraction(called: "tiny").id
        try first.recordFailure(path: "v2.mp4", error: "cut off", extraction: id)
        try first.recordFailure(path: "v3.mp4", error: "old", extraction: id)
        try second.recordFailure(path: "v3.mp4", error: "new", extraction: id)
        #expect(try merge("out", [second, first]).failures == 1)
        let merged = try open("out")
        #expect(
            try merged.failures(extraction: merged.extraction(called: "tiny").id).mapValues(\.error) == [
                "v3.mp4": "new"
            ])
    }

    @Test("runs are merged with epochs and predictions; another run with the same name is rejected") func runs() throws
    {
        let (first, second) = (try cache("a", 0..<2), try cache("b", 2..<4))
        for (cache, seed) in [(first, 1), (second, 2)] {
            let run = try cache.addRun("r\(seed)", try cache.extraction(called: "tiny").id, seed: seed)
            try cache.addEpoch(Example.epoch, run: run)
            let video = try #require(try cache.videos(dataset: "demo").last)
            try cache.store([Example.prediction(video.id)], run: run)
            try cache.store([MembershipRecord(videoID: video.id, role: .heldout)], run: run)
        }
        #expect(try merge("out", [first, second]).runs == 2)
        let merged = try open("out")
        let members = try merged.members(run: #require(try merged.run(named: "r2")))
        #expect(members.map(\.path) == ["v3.mp4"] && members.map(\.role) == [.heldout])
        #expect(try merged.clips(run: try #require(try merged.run(named: "r2"))).map(\.path) == ["v3.mp4"])
        #expect(try merged.runs().map(\.epochs) == [1, 1])
        #expect(try merged.verify().isWhole)
        #expect(try merge("out", [first, second]).runs == 0)
        try second.write { try $0.execute(sql: "UPDATE run SET name = 'r1'") }
        #expect(throws: CacheConflict.run(name: "r1", first: merged.path, second: second.path)) {
            try merge("out", [second])
        }
    }
}

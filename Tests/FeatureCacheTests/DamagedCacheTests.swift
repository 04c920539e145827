import Foundation
import GRDB
import TestSupport
import Testing
@testable import FeatureCache

/// Caches with one changed byte.
@Suite struct DamagedCacheTests {
    let scratch = ScratchFolder()

    @Test("a damaged byte anywhere in a cache crashes no query") func damagedAnywhere() throws {
        let path = scratch.path + "/cache.sqlite"
        do {
            let (cache, extraction) = try Example.cache(in: scratch)
            try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
            let run = try cache.addRun("r", extraction)
            try cache.addEpoch(Example.epoch, run: run)
            try cache.store([Example.prediction()], run: run)
            // An intact cache is read without errors; pruning unused rows deletes nothing of it.
            #expect(CacheReaders.readEverything(cache, in: scratch.path) == 0)
            try cache.checkpoint()
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        // Every meaningful byte in `make faults`; a sample of them in `make test`.
        var generator = SeededGenerator(seed: faultSeed)
        let places = whole.indices.filter { whole[$0] != 0 }.shuffled(using: &generator)
        let note = scratch.path + "/damage.txt"
        print("Damaged caches of seed \(faultSeed) (ZOETROPE_SEED); the byte under way is named in \(note)")
        for place in places.prefix(faultRounds > 10 ? places.count : 60) {
            var bytes = whole
            bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
            // The file remains after a crash.
            let what = "seed \(faultSeed): byte \(place) is \(bytes[place]) instead of \(whole[place])"
            try Data((what + "\n").utf8).write(to: URL(fileURLWithPath: note))
            let other = try scratch.file("damaged.sqlite", bytes)
            for journal in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: other + journal) }
            if let cache = try? CacheFile(path: other) { _ = CacheReaders.readEverything(cache, in: scratch.path) }
        }
    }
}

enum CacheReaders {
    /// Runs all operations of commands on a cache, writing into `folder`. Returns how many of them threw an error.
    static func readEverything(_ cache: CacheFile, in folder: String) -> Int {
        var refused = 0
        @discardableResult func read<Value>(_ body: () throws -> Value) -> Value? {
            do { return try body() } catch {
                refused += 1
                return nil
            }
        }
        read { _ = try cache.verify() }
        read { _ = try cache.summary() }
        read { _ = try cache.runs() }
        read { _ = try cache.damagedSequences() }
        read { _ = try cache.knownFiles() }
        for dataset in read(cache.datasets) ?? ["demo"] {
            read { _ = try cache.samples(dataset: dataset) }
            read { _ = try cache.groups(dataset: dataset) }
            read { _ = try cache.videos(dataset: dataset) }
            read { _ = try cache.nearDuplicates(dataset: dataset) }
            let extractions = read { try cache.extractions() }
            for extraction in extractions ?? [] {
                let (id, record) = (extraction.id, extraction.record)
                read { _ = try cache.features(dataset: dataset, extraction: id) }
                read { _ = try cache.videoFacts(dataset: dataset, extraction: id) }
                read { _ = try cache.found([1, 2], dataset: dataset, extraction: id) }
                read { _ = try cache.sampledRate(dataset: dataset, extraction: id) }
                read { _ = try cache.extractedViews(extraction: id) }
                read { _ = try cache.failures(extraction: id) }
                read { _ = try cache.sequence(extraction: id, video: 1) }
                read {
                    _ = try cache.sequenceRecords(
                        extraction: id, video: 1, featureSize: record.featureSize, as: record.elementType)
                }
                read { _ = try cache.requireRoom(forSequences: 3, of: extraction) }
                read {
                    let query = [Float](repeating: 0.5, count: record.featureSize)
                    return try cache.cosines(to: [query], dataset: dataset, extraction: extraction)
                }
                read { _ = try MappedFeatures.make(cache, extraction: extraction, in: folder + "/mapped") }
                read { _ = try cache.extractedClips(dataset: dataset, extraction: id) }
            }
        }
        if let run = read({ try cache.run(named: "r") }) ?? nil {
            read { _ = try cache.epochs(run: run) }
            read { _ = try cache.predictions(run: run, split: "test") }
            read { _ = try cache.clips(run: run) }
            read { _ = try cache.members(run: run) }
            read { _ = try cache.heldOutClips(run: run) }
        }
        for table in ["extraction", "sequence", "frame_feature", "prediction"] {
            read { _ = try cache.exportTable(table, to: folder + "/table.csv") }
        }
        for format in CacheExport.Format.allCases {
            read { _ = try CacheExport(extraction: 1, dataset: "demo").write(format, from: cache, to: folder + "/out") }
        }
        try? FileManager.default.removeItem(atPath: folder + "/merged.sqlite")
        read { _ = try CacheMerge(output: folder + "/merged.sqlite", inputs: [cache.path]).run() }
        var pruning = CachePruning()
        pruning.isUnused = true
        read { _ = try cache.prune(pruning) }
        return refused
    }
}

@Suite struct SQLConditionTests {
    let scratch = ScratchFolder()

    private func clips(_ condition: String) throws -> [Int] {
        let folder = ScratchFolder()
        let (cache, id) = try Example.cache(in: folder)
        let extraction = try #require(try cache.extractions().first { $0.id == id })
        let scanned = try cache.cosines(to: [[1, 0, 0]], dataset: "demo", extraction: extraction, condition: condition)
        let listed = try cache.videos(dataset: "demo", condition: condition)
        #expect(Set(scanned.videos.map(\.id)) == listed)
        return listed.sorted().map(Int.init)
    }

    @Test("conditions on videos and samples select clips") func chooses() throws {
        #expect(try clips("label = 'run'").count == 1)
        #expect(try clips("duration > 1 -- and more").count == 2)
        #expect(try clips("label LIKE '%)%' OR path = 'a.mp4' /* ) */").count == 1)
        // A text larger than the limit of values is not returned.
        #expect(try clips("label = printf('%.*c', 100000000, 'x')").isEmpty)
        #expect(try clips("0").isEmpty && clips("NULL").isEmpty)
        #expect(try clips("video.id IN (SELECT video_id FROM sequence WHERE length > 2)").count == 1)
    }

    static let refused = [
        "1) UNION ALL SELECT x'00', 1, x'00' FROM video WHERE (1", "1) UNION SELECT NULL WHERE (1",
        "1)) UNION ALL SELECT features, length, features FROM sequence WHERE ((1", "1); DELETE FROM video; --", "(1",
        "1; DROP TABLE video", "'", "/*", "label = ", "no_such_column = 1", "load_extension('/tmp/x.so')",
        "writefile('/tmp/x', 'y')", "readfile('/etc/passwd') IS NOT NULL", "abs(-9223372036854775808) > 0",
        "edit('x') = 1", "label = ?1", "label = :x", "1 = $a(')')", String(repeating: "1+", count: 6000) + "1",
        "1 ATTACH 'x' AS y", "fts3_tokenizer('simple') IS NOT NULL",
    ]

    @Test(
        "a condition that closes its parentheses, writes, fails or calls foreign functions is an error",
        arguments: refused)
    func refuses(condition: String) throws {
        let error = #expect(throws: ScanError.self) { try clips(condition) }
        guard case .condition(let blamed, let reason)? = error else { return }
        #expect(blamed == condition && !reason.isEmpty)
    }

    @Test("a condition that would run forever is stopped") func endless() throws {
        let (cache, id) = try Example.cache(in: scratch)
        try cache.read { (database: Database) throws -> Void in
            #expect(throws: DatabaseError.self) {
                try CacheConnection.limited(database, milliseconds: 50) { _ in
                    try Int.fetchOne(
                        database,
                        sql:
                            "SELECT 1 IN (WITH RECURSIVE t(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM t) SELECT n "
                            + "FROM t)"
                    )
                }
            }
        }
        #expect(id == 1)
    }
}

import Digests
import Foundation
import GRDB
import TestSupport
import Testing

@testable import FeatureCache

/// Caches in which a byte is another.
@Suite struct DamagedCacheTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    /// Asks a cache for all that commands ask it for.
    ///
    /// - Returns: how much of it was refused.
    private func readEverything(_ cache: CacheFile) -> Int {
        var refused = 0
        @discardableResult
        func read<Value>(_ body: () throws -> Value) -> Value? {
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
            read { _ = try cache.twins(dataset: dataset) }
            let extractions = read { try cache.extractions() }
            for extraction in extractions ?? [] {
                let (id, record) = extraction
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
                read { _ = try cache.requireRoom(forSequences: 3, of: (id, record)) }
            }
        }
        if let run = read({ try cache.run(named: "r") }) ?? nil {
            read { _ = try cache.epochs(run: run) }
            read { _ = try cache.predictions(run: run, split: "test") }
            read { _ = try cache.clips(run: run) }
        }
        for table in ["extraction", "sequence", "frame_feature", "prediction"] {
            read { _ = try cache.exportTable(table, to: scratch.path + "/table.csv") }
        }
        for format in CacheExport.Format.allCases {
            read {
                _ = try CacheExport(extraction: 1, dataset: "demo").write(
                    format, from: cache, to: scratch.path + "/out")
            }
        }
        try? FileManager.default.removeItem(atPath: scratch.path + "/merged.sqlite")
        read { _ = try CacheMerge(output: scratch.path + "/merged.sqlite", inputs: [cache.path]).run() }
        var pruning = CachePruning()
        pruning.isUnused = true
        read { _ = try cache.prune(pruning) }
        return refused
    }

    @Test("whatever byte of a cache is damaged, asking it ends no program")
    func damagedAnywhere() throws {
        let path: String
        do {
            let (cache, extraction) = try Example.cache(in: scratch)
            path = cache.path
            try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
            let run = try cache.addRun(
                name: "r", extraction: extraction, dataset: "demo", model: "gru 8", configuration: "{}", seed: 1)
            let epoch = EpochRecord(
                epoch: 1, learningRate: 0.1, trainLoss: 2, trainAccuracy: 0.5, validationLoss: nil,
                validationAccuracy: nil, seconds: 0.01)
            try cache.addEpoch(epoch, run: run)
            try cache.store(
                [
                    PredictionRecord(
                        videoID: 1, split: "test", label: "run", predicted: "run", probability: 0.75,
                        probabilities: [0.25, 0.75])
                ], run: run)
            // What is whole is read without a refusal; pruning what is unused takes nothing of it.
            #expect(readEverything(cache) == 0)
            try cache.checkpoint()
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        // Every byte that says something in `make faults`; now and then one in `make test`.
        let places = whole.indices.filter { whole[$0] != 0 }.shuffled()
        for place in places.prefix(faultRounds > 10 ? places.count : 60) {
            var bytes = whole
            bytes[place] ^= UInt8.random(in: 1...255)
            let other = try scratch.file("damaged.sqlite", bytes)
            for journal in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: other + journal) }
            if let cache = try? CacheFile(path: other) { _ = readEverything(cache) }
        }
    }
}

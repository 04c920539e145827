import Digests
import Foundation
import TestSupport
import Testing

@testable import FeatureCache

/// Caches in which a byte is another.
@Suite struct DamagedCacheTests {
    let scratch = ScratchFolder()

    @Test("whatever byte of a cache is damaged, asking it ends no program") func damagedAnywhere() throws {
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
            #expect(CacheReaders.readEverything(cache, in: scratch.path) == 0)
            try cache.checkpoint()
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        // Every byte that says something in `make faults`; now and then one in `make test`.
        var generator = SeededGenerator(seed: faultSeed)
        let places = whole.indices.filter { whole[$0] != 0 }.shuffled(using: &generator)
        let note = scratch.path + "/damage.txt"
        print("Damaged caches of seed \(faultSeed) (ZOETROPE_SEED); the byte under way is named in \(note)")
        for place in places.prefix(faultRounds > 10 ? places.count : 60) {
            var bytes = whole
            bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
            // A crash leaves it behind.
            let what = "seed \(faultSeed): byte \(place) is \(bytes[place]) instead of \(whole[place])"
            try Data((what + "\n").utf8).write(to: URL(fileURLWithPath: note))
            let other = try scratch.file("damaged.sqlite", bytes)
            for journal in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: other + journal) }
            if let cache = try? CacheFile(path: other) { _ = CacheReaders.readEverything(cache, in: scratch.path) }
        }
    }
}

import Digests
import Foundation
import TestSupport
import Testing

@testable import FeatureCache

/// Caches in which a byte is another.
@Suite struct DamagedCacheTests {
    let scratch = ScratchFolder()

    @Test("whatever byte of a cache is damaged, asking it ends no program") func damagedAnywhere() throws {
        let path = scratch.path + "/cache.sqlite"
        do {
            let (cache, extraction) = try Example.cache(in: scratch)
            try cache.recordFailure(path: "c.mp4", error: "broken", extraction: extraction)
            let run = try cache.addRun("r", extraction)
            try cache.addEpoch(Example.epoch, run: run)
            try cache.store([Example.prediction()], run: run)
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

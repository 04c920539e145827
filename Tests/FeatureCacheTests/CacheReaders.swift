import Foundation

@testable import FeatureCache

enum CacheReaders {
    /// Asks a cache for all that commands ask it for. `folder`: where exports and a merged cache are written. Returns
    /// how much of it was refused.
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

import Datasets
import Digests
import FeatureCache
import Foundation

extension Comparison {
    /// Reads the runs' predictions.
    ///
    /// - `role`: nil for test if all runs have such clips, else the clips that were held out by folds or validated.
    /// - `cache`: path of the cache; nil is where the first run left it.
    /// - Throws: `SequenceError`, `CacheError`.
    public init(_ directories: [RunDirectory], role wanted: ClipRole? = nil, cache path: String? = nil) throws {
        let configurations = try directories.map { try $0.load().configuration }
        let cache = try CacheFile(path: path ?? configurations[0].cache, create: false)
        let clips = try zip(directories, configurations).map { try RunClips($0, $1, in: cache) }
        let rows = try zip(directories, configurations).map { try cache.run(of: $0, $1) }
        let summaries = try cache.runs()
        var splits: [Split] = wanted.map { [Split(rawValue: $0.rawValue) ?? .validation] } ?? [.test, .validation]
        var runs: [Run] = []
        var chosen = Split.test
        // A run that is named twice, or trained twice with one seed, says nothing of seeds.
        var seeds: [String: Int] = [:]
        let families = configurations.indices.map { index in
            let (family, seed) = (configurations[index].family(clips[index]), configurations[index].training.seed)
            seeds["\(family) \(seed)", default: 0] += 1
            let count = seeds["\(family) \(seed)"] ?? 1
            return count > 1 ? "\(family) \(seed) \(count)" : family
        }
        while runs.isEmpty, let split = splits.first {
            splits.removeFirst()
            chosen = split
            runs = try configurations.indices.compactMap { index in
                let configuration = configurations[index]
                guard let summary = summaries.first(where: { $0.name == configuration.name }) else { return nil }
                let predictions = try cache.predictions(run: rows[index], split: split.rawValue)
                if predictions.isEmpty { return nil }
                return Run(
                    summary: summary, family: families[index],
                    predictions: Dictionary(predictions.map { ($0.videoID, $0) }, uniquingKeysWith: { a, _ in a }),
                    isHeldOut: split == .validation && configuration.crossValidation != nil,
                    repeats: split == .validation ? configuration.crossValidation?.repeats ?? 1 : 1)
            }
            if runs.count < configurations.count { runs = [] }
        }
        guard !runs.isEmpty else {
            throw SequenceError.noSplit(
                wanted?.rawValue ?? "test", available: Self.common(clips.map(\.roles)).map(\.rawValue))
        }
        self.init(runs, groups: try cache.groups(dataset: configurations[0].dataset))
        if self.clips == 0 { throw SequenceError.noCommonClips(chosen.rawValue) }
        let heldOut = runs.count(where: \.isHeldOut)
        role = chosen != .validation || heldOut == 0 ? chosen.rawValue : heldOut == runs.count ? "heldout" : "mixed"
    }

    private static func common(_ roles: [[ClipRole]]) -> [ClipRole] {
        let present = roles.map(Set.init)
        return (roles.first ?? []).filter { role in present.allSatisfy { $0.contains(role) } }
    }
}

extension CacheFile {
    /// The row of the run that a folder holds.
    ///
    /// - Throws: `SequenceError.unknownRun` if the cache has none of that name, or one that was trained on other clips.
    public func run(of directory: RunDirectory, _ configuration: RunDirectory.Configuration) throws -> Int64 {
        // Figures of the whole run are not those of one fold's model.
        guard !configuration.isFoldModel, let run = try run(named: configuration.name) else {
            throw SequenceError.unknownRun(configuration.name, cache: path)
        }
        if let recorded = try directory.recordedClips() {
            func key(_ digest: String, _ role: ClipRole) -> String { role.rawValue + digest }
            let own = Set(recorded.entries.map { key($0.digest, $0.role) })
            guard try own == Set(members(run: run).map { key($0.digest, $0.role) }) else {
                throw SequenceError.unknownRun(configuration.name, cache: path)
            }
        }
        return run
    }
}

extension RunDirectory.Configuration {
    /// The same for runs that differ in nothing but their seed: those that learn from the same clips, of which each seed draws
    /// its own validation part if the data set has none, and are tested on the same clips.
    func family(_ clips: RunClips) -> String {
        var training = training
        (training.seed, training.checkpoint) = (0, 1)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let text = try? encoder.encode(training) else { return name }
        let parts = [clips.pool, clips.digests(.test)].map { $0.sorted().joined(separator: " ") }
        return String(decoding: text, as: UTF8.self) + recipeDigest
            + hexDigest(Data(([dataset] + labels + parts).joined(separator: "\n").utf8))
    }
}

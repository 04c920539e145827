import Datasets
import Digests
import FeatureCache
import Foundation

extension Comparison {
    /// Reads the runs' predictions. `role`: nil for test if all runs have test clips, otherwise the held-out or
    /// validation clips. `cache`: path of the cache; nil is the one recorded by the first run. Throws `SequenceError`,
    /// `CacheError`.
    package init(_ directories: [RunDirectory], role wanted: ClipRole? = nil, cache path: String? = nil) throws {
        let configurations = try directories.map { try $0.load().configuration }
        let task = configurations[0].training.labelTask
        guard configurations.allSatisfy({ $0.training.labelTask == task }) else { throw SequenceError.otherTasks }
        let cache = try CacheFile(path: path ?? configurations[0].cache, create: false)
        let clips = try zip(directories, configurations).map { try RunClips($0, $1, in: cache) }
        let rows = try zip(directories, configurations).map { try cache.run(of: $0, $1) }
        let summaries = try cache.runs()
        var splits: [Split] = wanted.map { [Split(rawValue: $0.rawValue) ?? .validation] } ?? [.test, .validation]
        var runs: [Run] = []
        var chosen = Split.test
        // A run that is listed twice, or trained twice with one seed, adds no information about seeds.
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
                    repeats: split == .validation ? configuration.crossValidation?.repeats ?? 1 : 1,
                    labels: configuration.labels)
            }
            if runs.count < configurations.count { runs = [] }
        }
        guard !runs.isEmpty else {
            throw SequenceError.noSplit(
                wanted?.rawValue ?? "test", available: Self.common(clips.map(\.roles)).map(\.rawValue))
        }
        self.init(runs, groups: try cache.groups(dataset: configurations[0].dataset), task: task)
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
    /// The row ID of the run in a directory. Throws `SequenceError.unknownRun` if the cache has no such run, or one
    /// that was trained on other clips.
    package func run(of directory: RunDirectory, _ configuration: RunDirectory.Configuration) throws -> Int64 {
        // The whole run's metrics do not apply to one fold's model.
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
    /// Key that is equal for runs that differ only in their seed: they learn from the same clips, of which each seed
    /// samples its own validation split if the data set has none, and are tested on the same clips.
    func family(_ clips: RunClips) -> String {
        var training = training
        (training.seed, training.checkpoint) = (0, 1)
        guard let text = try? TrainingCheckpoint.json(training, .sortedKeys) else { return name }
        let parts = [clips.pool, clips.digests(.test)].map { $0.sorted().joined(separator: " ") }
        return text + recipeDigest + hexDigest(Data(([dataset] + labels + parts).joined(separator: "\n").utf8))
    }
}

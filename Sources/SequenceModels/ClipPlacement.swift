import Datasets
import FeatureCache
import Foundation

extension FeatureSet {
    /// The class of each video, by row ID.
    var labels: [Int64: String] {
        Dictionary(examples.map { ($0.videoID, $0.label) }, uniquingKeysWith: { first, _ in first })
    }

    /// The same clips with other classes; a clip for which `label` returns nil keeps its class.
    func relabelling(_ label: (Example) -> String?) -> FeatureSet {
        var examples = examples
        for index in examples.indices { examples[index].label = label(examples[index]) ?? examples[index].label }
        return replacing(examples: examples)
    }

    /// The same clips with the splits that `split` returns; clips for which it returns nil are omitted.
    package func placing(_ split: (Example) -> String?) -> FeatureSet {
        replacing(
            examples: examples.compactMap { example in
                guard let split = split(example) else { return nil }
                var example = example
                example.split = split
                return example
            })
    }
}

extension SequenceRun {
    /// The features of the clips of a pipeline's `dataset` section with their splits: the data set's own, or the split
    /// made by `dataset.test`. `overlapping`: see `CacheFile.features`. Throws `SequenceError.noSamples`, `CacheError`,
    /// `DatasetError`.
    package static func load(
        _ cache: CacheFile, _ source: DatasetConfiguration, extraction: StoredExtraction,
        views: Int, memory: Int, overlapping: Bool = false
    ) throws -> FeatureSet {
        let placed = try places(of: source, in: cache)
        let features = try cache.features(
            dataset: source.name, extraction: extraction.id, videos: Set(placed.keys), views: views, memory: memory,
            overlapping: overlapping)
        if features.examples.isEmpty {
            throw SequenceError.noSamples(dataset: source.name, available: try cache.datasets())
        }
        let examples = features.examples.compactMap { example -> FeatureSet.Example? in
            guard let clip = placed[example.videoID] else { return nil }
            var example = example
            (example.label, example.split, example.group) = (clip.label, clip.split.rawValue, clip.group)
            return example
        }
        return features.replacing(examples: examples)
    }

    /// The clips of a pipeline in the cache, by row ID: those that the data set's folder or lists name now, with their
    /// current labels, splits and groups. If the folder is missing, those that the last extraction stored. Throws
    /// `DatasetError`, `CacheError`.
    package static func places(of source: DatasetConfiguration, in cache: CacheFile) throws -> [Int64: Clip] {
        let samples = try cache.placedSamples(dataset: source.name)
        guard let listed = try source.presentClips() else { return try storedPlaces(of: source, samples) }
        let root = URL(fileURLWithPath: source.root).standardizedFileURL.path
        let (files, videos) = (try cache.knownFiles(), try cache.videoIDs())
        let known = Set(samples.map(\.videoID))
        let byPath = Dictionary(samples.map { ($0.path, $0.videoID) }, uniquingKeysWith: { first, _ in first })
        let ids = listed.map { clip in
            files[root + "/" + clip.path].flatMap { videos[$0.digest] }.flatMap { known.contains($0) ? $0 : nil }
                ?? byPath[clip.path]
        }
        // As in `extract`.
        let copies = CopiedClips(listed, contents: ids, of: source)
        return Dictionary(
            listed.indices.compactMap { index in
                ids[index].flatMap { id in copies[index].map { (id, $0) } }
            }, uniquingKeysWith: { first, _ in first })
    }

    /// The clips that the last extraction stored, restricted to the pipeline's classes.
    private static func storedPlaces(
        of source: DatasetConfiguration, _ all: [PlacedSample]
    ) throws -> [Int64: Clip] {
        let hasLabels = !all.isEmpty && all.allSatisfy { LabelSet.names($0.sample.label) != nil }
        if !all.isEmpty, hasLabels != (source.task == .multilabel) {
            throw SequenceError.otherTask(dataset: source.name)
        }
        let excluded = try source.excludedPaths()
        let samples = all.filter { !excluded.contains($0.path) }
        let known = samples.compactMap { sample in
            Split(rawValue: sample.sample.split).map {
                (
                    id: sample.videoID,
                    clip: Clip(path: sample.path, label: sample.sample.label, split: $0, group: sample.sample.group)
                )
            }
        }
        let placed = try source.placed(known.map(\.clip))
        let labels = placed.isEmpty ? [] : try source.chosenLabels(from: placed.map { ($0.label, $0.split) })
        return Dictionary(
            zip(known.map(\.id), placed).compactMap { id, clip in
                source.keeping(labels, of: [clip]).first.map { (id, $0) }
            }, uniquingKeysWith: { first, _ in first })
    }
}

import Datasets
import FeatureCache

extension FeatureSet {
    /// The same clips, each in the split that `split` returns; a clip for which it returns nil is left out.
    public func placing(_ split: (Example) -> String?) -> FeatureSet {
        let placed = examples.compactMap { example in
            split(example).map {
                Example(
                    videoID: example.videoID, path: example.path, label: example.label, split: $0,
                    group: example.group, views: example.views)
            }
        }
        return replacing(examples: placed)
    }
}

extension SequenceRun {
    /// The features of the clips that a pipeline's `dataset` section names, each in the split that it has there: the data set's
    /// own, or the share that `dataset.test` sets aside.
    ///
    /// - `overlapping`: see `CacheFile.features`.
    /// - Throws: `SequenceError.noSamples`, `CacheError`, `DatasetError`.
    public static func load(
        _ cache: CacheFile, _ source: DatasetConfiguration, extraction: (id: Int64, record: ExtractionRecord),
        views: Int, memory: Int, overlapping: Bool = false
    ) throws -> FeatureSet {
        let placed = try places(of: source, in: cache)
        let labels = placed.isEmpty ? [] : try source.chosenLabels(from: placed.values.map { ($0.label, $0.split) })
        let features = try cache.features(
            dataset: source.name, extraction: extraction.id, labels: labels, excluding: try source.excludedPaths(),
            views: views, memory: memory, overlapping: overlapping)
        if features.examples.isEmpty {
            throw SequenceError.noSamples(dataset: source.name, available: try cache.datasets())
        }
        return features.placing { placed[$0.videoID]?.split.rawValue }
    }

    /// The clips of a data set that the cache knows, by their rows, without those that the pipeline excludes.
    public static func places(of source: DatasetConfiguration, in cache: CacheFile) throws -> [Int64: Clip] {
        let excluded = try source.excludedPaths()
        let samples = try cache.placedSamples(dataset: source.name).filter { !excluded.contains($0.path) }
        let known = samples.compactMap { sample in
            Split(rawValue: sample.sample.split).map {
                (
                    id: sample.videoID,
                    clip: Clip(path: sample.path, label: sample.sample.label, split: $0, group: sample.sample.group)
                )
            }
        }
        let placed = try source.placed(known.map(\.clip))
        return Dictionary(zip(known.map(\.id), placed), uniquingKeysWith: { first, _ in first })
    }
}

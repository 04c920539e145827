import Datasets
import FeatureCache
import NeuralNetwork

/// A trained run applied to a split of the cached features it was trained on.
public struct RunEvaluation: Sendable {
    /// The split that was evaluated.
    public let split: Split
    /// Over its clips.
    public let metrics: Metrics
    /// Of its clips.
    public let predictions: [PredictionRecord]
    /// What was applied.
    public let head: Head
    /// The features of all splits.
    public let features: FeatureSet
    /// The split's clips among `features.examples`.
    public let indices: [Int]

    /// - Parameters:
    ///   - split: nil picks test where there is one, else validation.
    ///   - cache: path of the cache; nil is where the run left it.
    /// - Throws: `SequenceError`, `CacheError`, `WeightsError`.
    public init(_ directory: RunDirectory, split: Split?, cache path: String?) throws {
        let (head, configuration) = try directory.load()
        let cache = try CacheFile(path: path ?? configuration.cache, create: false)
        guard let extraction = try cache.extractions().first(where: { $0.record.digest == configuration.recipeDigest })
        else {
            throw SequenceError.notExtracted(cache: cache.path, recipe: configuration.recipe, available: [])
        }
        let features = try cache.features(
            dataset: configuration.dataset, extraction: extraction.id, labels: Set(head.labels),
            views: configuration.training.views)
        let partition = Partition(
            features, validation: configuration.training.validation, seed: configuration.training.seed)
        let available = [Split.test, .validation, .train].filter { !partition[$0].isEmpty }
        guard let chosen = split ?? available.first, available.contains(chosen) else {
            throw SequenceError.noSplit(split?.rawValue ?? "test", available: available.map(\.rawValue))
        }
        let evaluation = try Evaluation(
            head, features, partition[chosen], split: chosen, averagingViews: configuration.training.averagesViews)
        guard let metrics = evaluation.metrics else {
            throw SequenceError.noSplit(chosen.rawValue, available: available.map(\.rawValue))
        }
        self.split = chosen
        self.metrics = metrics
        self.head = head
        self.features = features
        (predictions, indices) = (evaluation.predictions, partition[chosen])
    }
}

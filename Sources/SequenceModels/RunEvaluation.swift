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
    /// What depends on the probabilities.
    public var scores: ScoreMetrics { ScoreMetrics(predictions, labels: head.labels) }
    /// 95 %, of the accuracy; clips of one source count together.
    public let interval: Statistics.Interval
    /// What was applied.
    public let head: Head
    /// The features of all splits.
    public let features: FeatureSet
    /// The split's clips among `features.examples`.
    public let indices: [Int]

    /// - `split`: nil picks test where there is one, else validation.
    /// - `cache`: path of the cache; nil is where the run left it.
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
            excluding: Set(configuration.excluded ?? []),
            views: configuration.training.views)
        let partition = Self.partition(features, configuration)
        let available = [Split.test, .validation, .train].filter { !partition[$0].isEmpty }
        guard let chosen = split ?? available.first, available.contains(chosen) else {
            throw SequenceError.noSplit(split?.rawValue ?? "test", available: available.map(\.rawValue))
        }
        if chosen == .validation, configuration.crossValidation != nil {
            // What models said that never saw the clip.
            guard let run = try cache.run(named: configuration.name) else {
                throw SequenceError.unknownRun(configuration.name, cache: cache.path)
            }
            self.split = chosen
            self.head = head
            self.features = features
            predictions = try cache.predictions(run: run, split: chosen.rawValue)
            metrics = Metrics(predictions, labels: head.labels)
            indices = partition[chosen]
            interval = Comparison.interval(predictions, groups: try cache.groups(dataset: configuration.dataset))
            return
        }
        let evaluation = try Evaluation(
            head, features, partition[chosen], split: chosen, averagingViews: configuration.training.averagesViews)
        guard evaluation.predictions.allSatisfy(\.probability.isFinite) else { throw SequenceError.noProbabilities }
        guard let metrics = evaluation.metrics else {
            throw SequenceError.noSplit(chosen.rawValue, available: available.map(\.rawValue))
        }
        self.split = chosen
        self.metrics = metrics
        self.head = head
        self.features = features
        (predictions, indices) = (evaluation.predictions, partition[chosen])
        interval = Comparison.interval(predictions, groups: try cache.groups(dataset: configuration.dataset))
    }

    private static func partition(
        _ features: FeatureSet, _ configuration: RunDirectory.Configuration
    ) -> Partition {
        let training = configuration.training
        guard configuration.crossValidation != nil else {
            return Partition(features, validation: training.validation, seed: training.seed)
        }
        let own = Partition(features, validation: 0, seed: training.seed)
        let pool = own.train + own.validation
        return Partition(train: pool, validation: pool, test: own.test)
    }
}

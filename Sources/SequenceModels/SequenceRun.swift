import Datasets
import FeatureCache
import Foundation
import NeuralNetwork

/// One training run from cache to run directory, recorded on the way.
public struct SequenceRun: Sendable {
    /// Of the run, and of its directory.
    public var name: String
    /// Name of the dataset in the cache.
    public var dataset: String
    /// How to train.
    public var training: TrainingConfiguration
    /// Directory that holds the runs.
    public var runs: String
    /// Of the program.
    public var version: String

    /// All parts, as they are.
    public init(name: String, dataset: String, training: TrainingConfiguration, runs: String, version: String) {
        self.name = name
        self.dataset = dataset
        self.training = training
        self.runs = runs
        self.version = version
    }

    /// What is going on, for whoever shows it.
    public enum Event: Sendable {
        case loaded(train: Int, validation: Int, test: Int, classes: Int, parameters: Int)
        case epoch(EpochRecord)
    }

    /// What training gave.
    public struct Summary: Sendable {
        /// The run directory.
        public let directory: String
        /// Epoch whose weights are kept, from 1.
        public let bestEpoch: Int
        /// Epochs that were trained.
        public let epochs: Int
        /// Wall-clock time of training.
        public let seconds: Double
        /// By split; splits without clips are left out.
        public let metrics: [Split: Metrics]
        /// Whether it was stopped before the end.
        public let wasCancelled: Bool
    }

    /// A name that no run has yet: `name`, or `name-2` and so on.
    public static func freeName(_ name: String, in cache: CacheFile, runs: String) throws -> String {
        var candidate = name
        var number = 1
        while try cache.run(named: candidate) != nil || RunDirectory(path: runs + "/" + candidate).exists {
            number += 1
            candidate = "\(name)-\(number)"
        }
        return candidate
    }

    /// Trains, predicts validation and test, and writes run, epochs, predictions and the run directory.
    ///
    /// - Parameters:
    ///   - labels: classes to use, given those of the dataset.
    /// - Throws: `SequenceError`, `CacheError`; the run's state in the cache then says `failed`.
    public func run(
        cache: CacheFile, extraction: (id: Int64, record: ExtractionRecord),
        labels: ([(label: String, split: Split)]) throws -> Set<String> = { Set($0.map(\.label)) },
        isCancelled: () -> Bool = { false }, report: (Event) -> Void
    ) throws -> Summary {
        let features = try load(cache, extraction, labels)
        let partition = Partition(features, validation: training.validation, seed: training.seed)
        if partition.train.isEmpty { throw SequenceError.noTraining(dataset: dataset) }
        let directory = RunDirectory(path: runs + "/" + name)
        if directory.exists { throw CacheError.runExists(name: name) }
        let run = try cache.addRun(
            name: name, extraction: extraction.id, dataset: dataset, model: training.model.summary,
            configuration: Self.json(training), seed: training.seed)
        do {
            let classes = Set(partition.train.map { features.examples[$0].label }).count
            let graph = training.model.graph(featureSize: features.featureSize, classes: classes)
            report(
                .loaded(
                    train: partition.train.count, validation: partition.validation.count, test: partition.test.count,
                    classes: classes, parameters: graph.parameterCount))
            let begin = ContinuousClock.now
            let result = try Trainer(training).train(features, partition, isCancelled: isCancelled) { epoch in
                try cache.addEpoch(epoch, run: run)
                report(.epoch(epoch))
            }
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            var metrics: [Split: Metrics] = [:]
            for split in [Split.train, .validation, .test] where !partition[split].isEmpty {
                metrics[split] = try predict(result.head, features, partition[split], split, cache, run)
            }
            try directory.save(
                result.head,
                .init(
                    name: name, version: version, labels: result.head.labels, featureSize: features.featureSize,
                    training: training, recipe: extraction.record.recipe, recipeDigest: extraction.record.digest,
                    weights: extraction.record.weights, cache: cache.path, dataset: dataset,
                    bestEpoch: result.bestEpoch))
            try cache.finishRun(run, state: result.wasCancelled ? .interrupted : .finished)
            return Summary(
                directory: directory.path, bestEpoch: result.bestEpoch, epochs: result.epochs, seconds: seconds,
                metrics: metrics, wasCancelled: result.wasCancelled)
        } catch {
            try? cache.finishRun(run, state: .failed)
            throw error
        }
    }

    private func load(
        _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord),
        _ labels: ([(label: String, split: Split)]) throws -> Set<String>
    ) throws -> FeatureSet {
        if extraction.record.featureShape.count != 1 {
            throw SequenceError.notVectors(shape: extraction.record.featureShape, head: training.model.kind.rawValue)
        }
        let samples = try cache.samples(dataset: dataset).compactMap { sample in
            Split(rawValue: sample.split).map { (label: sample.label, split: $0) }
        }
        let chosen = samples.isEmpty ? [] : try labels(samples)
        let features = try cache.features(dataset: dataset, extraction: extraction.id, labels: chosen)
        if features.examples.isEmpty {
            throw SequenceError.noSamples(dataset: dataset, available: try cache.datasets())
        }
        return features
    }

    private func predict(
        _ head: Head, _ features: FeatureSet, _ indices: [Int], _ split: Split, _ cache: CacheFile, _ run: Int64
    ) throws -> Metrics? {
        let evaluation = Evaluation(head, features, indices, split: split)
        try cache.store(evaluation.predictions, run: run)
        return evaluation.metrics
    }

    private static func json(_ training: TrainingConfiguration) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(training)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// A head applied to cached examples.
public struct Evaluation: Sendable {
    /// Over examples whose label the head knows; nil where there are none.
    public let metrics: Metrics?
    /// One for each example.
    public let predictions: [PredictionRecord]

    /// Applies the head to the chosen examples.
    public init(_ head: Head, _ features: FeatureSet, _ indices: [Int], split: Split) {
        let logits = head.logits(features, indices)
        let probabilities = softmax(logits)
        let classes = head.labels.count
        let places = Dictionary(uniqueKeysWithValues: head.labels.enumerated().map { ($1, $0) })
        var known: [Int] = []
        var targets: [Int] = []
        var predictions: [PredictionRecord] = []
        for (row, index) in indices.enumerated() {
            let example = features.examples[index]
            let own = probabilities.values[row * classes..<(row + 1) * classes].map(Double.init)
            let best = own.indices.max { (own[$0], -$0) < (own[$1], -$1) } ?? 0
            predictions.append(
                PredictionRecord(
                    videoID: example.videoID, split: split.rawValue, label: example.label, predicted: head.labels[best],
                    probability: own[best], probabilities: own))
            if let target = places[example.label] {
                known.append(row)
                targets.append(target)
            }
        }
        let scores = known.flatMap { logits.values[$0 * classes..<($0 + 1) * classes] }
        self.predictions = predictions
        metrics =
            known.isEmpty
            ? nil
            : Metrics(
                logits: Tensor(shape: [known.count, classes], values: scores), targets: targets, labels: head.labels)
    }
}

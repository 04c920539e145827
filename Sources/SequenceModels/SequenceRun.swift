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
    /// Threads that share the work; the result does not depend on it.
    public var threads = 1
    /// Bytes that the features may take; larger sets are read batch by batch.
    public var memory = Int.max
    /// Folder of the data set's videos, for whoever wants to see them later.
    public var root: String?
    /// Paths of videos that are left out.
    public var excluded: Set<String> = []
    /// The pipeline's `dataset` section: which clips are used, and which shares are set aside. Nil takes all clips of the dataset
    /// as the cache has them.
    public var source: DatasetConfiguration?
    /// Clips of the pipeline that have no features, for whoever evaluates the run later.
    public var missing: [MissingClips]?
    /// Whether a run of this name goes on from its last checkpoint, or begins where it has none.
    public var resumes = false
    /// What was found by holding clips out; the run then trains on all but the test part, as long as that says.
    public var crossValidation: CrossValidationResult?

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
        /// Epochs that were trained before.
        case resumed(epochs: Int)
        case epoch(EpochRecord)
        case note(String)
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
        /// What was found by holding clips out, if the run is cross-validated.
        public let crossValidation: CrossValidationResult?
        /// What makes the figures doubtful.
        public let warnings: [String]
        /// How training ended.
        public let ending: Trainer.Ending
        /// Whether it was stopped before the end.
        public var wasCancelled: Bool { ending == .cancelled }
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

    /// Trains, predicts all splits, and writes run, epochs, predictions and the run directory.
    ///
    /// - `features`: what `load` gave, where several runs share it; nil loads.
    /// Nothing but the run's state and its list of clips is written before the features are verified.
    ///
    /// - Throws: `SequenceError`, `CacheError`; the run's state in the cache then says `failed` or `diverged`.
    public func run(
        cache: CacheFile, extraction: (id: Int64, record: ExtractionRecord), features: FeatureSet? = nil,
        isCancelled: @escaping () -> Bool = { false }, report: @escaping (Event) -> Void
    ) throws -> Summary {
        try checkShape(extraction.record)
        let directory = RunDirectory(path: runs + "/" + name)
        // Killed before the first checkpoint, there is nothing to go on from and nothing to lose.
        let goesOn = resumes && directory.exists
        // Before gigabytes are read.
        if !goesOn { try claimName(directory, cache) }
        let features = try features ?? load(cache, extraction)
        for note in try notes(cache, extraction.id, features) { report(.note(note)) }
        let videos = try cache.videoIDs()
        let earlier = goesOn ? try earlierClips(directory, cache) { report(.note($0)) } : nil
        let (partition, clips) = try clips(features, videos, earlier: earlier)
        if let note = try twinNote(cache, features, partition) { report(.note(note)) }
        if training.calibrates == true, crossValidation == nil, partition.validation.isEmpty {
            throw SequenceError.nothingToCalibrateOn
        }
        let classes = training.model.kind.classes(features, partition)
        if classes.isEmpty { throw SequenceError.noTraining(dataset: dataset) }
        let input = HeadConfiguration.Input(
            shape: extraction.record.featureShape, maximumLength: extraction.record.maxFrames)
        var configuration = RunDirectory.Configuration(
            name: name, version: version, labels: classes, input: input, training: training,
            recipe: extraction.record.recipe, recipeDigest: extraction.record.digest,
            weights: extraction.record.weights, cache: cache.path, dataset: dataset, bestEpoch: 0)
        configuration.root = root
        configuration.excluded = excluded.isEmpty ? nil : excluded.sorted()
        configuration.crossValidation = crossValidation?.summary
        configuration.sampledRate = try cache.sampledRate(dataset: dataset, extraction: extraction.id)
        configuration.missing = missing
        // What the run achieved before stays if the features are damaged now.
        if goesOn { try features.requireVerified() }
        let run = try begin(configuration, directory, cache, extraction.id, goesOn: goesOn)
        try record(clips, videos, directory, cache, run)
        do {
            let graph = training.model.graph(input, classes: classes.count)
            report(
                .loaded(
                    train: partition.train.count, validation: partition.validation.count, test: partition.test.count,
                    classes: classes.count, parameters: graph.parameterCount))
            let begin = ContinuousClock.now
            var hooks = Trainer.Hooks()
            hooks.isCancelled = isCancelled
            hooks.report = { epoch in
                try cache.addEpoch(epoch, run: run)
                report(.epoch(epoch))
            }
            hooks.checkpoint = { state, head in try directory.saveCheckpoint(state, head, configuration) }
            let result = try trainer.train(
                features, partition, input: input,
                resuming: goesOn ? { try resume($0, directory, report) } : nil, hooks: hooks)
            return try finish(
                result, features, partition, configuration, directory, cache, run,
                seconds: (ContinuousClock.now - begin) / .seconds(1))
        } catch {
            try? cache.finishRun(run, state: SequenceError.isDivergence(error) ? .diverged : .failed)
            throw error
        }
    }

    /// The features of the run's clips, which may not be verified yet.
    ///
    /// - Throws: `SequenceError`, `CacheError`, `DatasetError`.
    public func load(
        _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord)
    ) throws -> FeatureSet {
        if let source {
            return try Self.load(
                cache, source, extraction: extraction, views: training.views, memory: memory, overlapping: true)
        }
        return try Self.load(
            cache, dataset: dataset, extraction: extraction, excluding: excluded, views: training.views, memory: memory,
            overlapping: true)
    }

    /// What is trained on: all but the test part where folds have said how long.
    func partition(_ features: FeatureSet) -> Partition {
        guard crossValidation != nil else {
            return Partition(features, validation: training.validation, seed: training.seed)
        }
        let isTest = { features.examples[$0].split == Split.test.rawValue }
        return Partition(
            train: features.examples.indices.filter { !isTest($0) }, validation: [],
            test: features.examples.indices.filter(isTest))
    }

    private var trainer: Trainer {
        var training = training
        // There is nothing left to judge epochs by.
        if crossValidation != nil { training.earlyStopping = nil }
        var trainer = Trainer(training, threads: threads)
        trainer.stopsAfter = crossValidation?.summary.epochs
        return trainer
    }

    /// - Throws: `SequenceError.notMaps`, `.notVectors` where the head does not fit the features.
    public func checkShape(_ record: ExtractionRecord) throws {
        let shape = record.featureShape
        let head = training.model.kind
        if head.readsMaps && shape.count != 3 { throw SequenceError.notMaps(shape: shape, head: head.rawValue) }
        if !head.readsMaps && shape.count != 1 { throw SequenceError.notVectors(shape: shape, head: head.rawValue) }
    }

    /// - Throws: `CacheError.runExists` where a run of this name stands already and would not go on.
    public func checkName(_ cache: CacheFile) throws {
        let directory = RunDirectory(path: runs + "/" + name)
        if !(resumes && directory.exists) { try claimName(directory, cache) }
    }

    /// - Throws: `CacheError.runExists`.
    private func claimName(_ directory: RunDirectory, _ cache: CacheFile) throws {
        if directory.exists { throw CacheError.runExists(name: name) }
        // It failed, or was killed, before anything was written: there is nothing to lose.
        if try cache.run(named: name) != nil { try cache.removeRun(named: name) }
    }

    /// The run's row in the cache: a new one, or that of the run that goes on.
    private func begin(
        _ configuration: RunDirectory.Configuration, _ directory: RunDirectory, _ cache: CacheFile, _ extraction: Int64,
        goesOn: Bool
    ) throws -> Int64 {
        if goesOn {
            let earlier = try directory.checkpointConfiguration()
            let differences = earlier.differences(from: configuration)
            guard differences.isEmpty else {
                throw SequenceError.otherConfiguration(run: directory.path, differences: differences)
            }
            if let run = try cache.run(named: name) {
                try cache.resumeRun(run)
                return run
            }
        }
        return try cache.addRun(
            name: name, extraction: extraction, dataset: dataset, model: training.model.summary,
            configuration: Self.json(training), seed: training.seed)
    }

    private func resume(
        _ head: Head, _ directory: RunDirectory, _ report: (Event) -> Void
    ) throws -> TrainingState {
        let state = try directory.loadCheckpoint(head)
        report(.resumed(epochs: state.epoch))
        return state
    }

    private static func json(_ training: TrainingConfiguration) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return (try? encoder.encode(training)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

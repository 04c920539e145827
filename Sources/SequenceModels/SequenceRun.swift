import Datasets
import FeatureCache
import Foundation
import NeuralNetwork

/// One training run from the cache to a run directory.
package struct SequenceRun: Sendable {
    package var name: String
    /// Name of the data set in the cache.
    package var dataset: String
    package var training: TrainingConfiguration
    /// Folder of all runs.
    package var runs: String
    package var version: String
    /// Number of threads; results do not depend on it.
    package var threads = 1
    /// Bytes that the features may take; larger sets are read per batch.
    package var memory = Int.max
    /// Folder of the data set's videos, recorded for later use.
    package var root: String?
    package var excluded: Set<String> = []
    /// The pipeline's `dataset` section, which selects clips and splits. Nil takes all clips of the data set as stored
    /// in the cache.
    package var source: DatasetConfiguration?
    /// Clips of the pipeline without features, recorded for later evaluation.
    package var missing: [MissingClips]?
    /// Whether an existing run of this name is resumed from its last checkpoint, or restarted if it has none.
    package var resumes = false
    /// Whether labels that occur in the validation or test part only are allowed, with several labels a clip.
    package var leavesOutUnknown = false
    /// The cross-validation result. The final model is then trained on all clips outside the test set, for the number
    /// of epochs that it determined.
    package var crossValidation: CrossValidationResult?

    package init(name: String, dataset: String, training: TrainingConfiguration, runs: String, version: String) {
        self.name = name
        self.dataset = dataset
        self.training = training
        self.runs = runs
        self.version = version
    }

    package enum Event: Sendable {
        case loaded(train: Int, validation: Int, test: Int, classes: Int, parameters: Int)
        /// Epochs that were trained before.
        case resumed(epochs: Int)
        case epoch(EpochRecord)
        case note(String)
    }

    package struct Summary: Sendable {
        package let directory: String
        /// Epoch of the selected weights, from 1.
        package let bestEpoch: Int
        package let epochs: Int
        /// Wall-clock time of training.
        package let seconds: Double
        /// By split; splits without clips are omitted.
        package let metrics: [Split: RunMetrics]
        package let crossValidation: CrossValidationResult?
        /// Reasons to doubt the metrics.
        package let warnings: [String]
        package let ending: TrainingOutcome
        package var wasCancelled: Bool { ending == .cancelled }
    }

    /// An unused run name: `name`, or `name-2` and so on.
    package static func freeName(_ name: String, in cache: CacheFile, runs: String) throws -> String {
        var candidate = name
        var number = 1
        while try cache.run(named: candidate) != nil || RunDirectory(path: runs + "/" + candidate).exists {
            number += 1
            candidate = "\(name)-\(number)"
        }
        return candidate
    }

    /// Trains, predicts all splits, and writes run, epochs, predictions and the run directory. `features`: the result
    /// of `load`, to share it between runs; nil loads. Only the run's state and its list of clips are written before
    /// the features are verified. Throws `SequenceError`, `CacheError`; the run's state in the cache is then `failed`
    /// or `diverged`.
    package func run(
        cache: CacheFile, extraction: StoredExtraction, features: FeatureSet? = nil,
        isCancelled: @escaping () -> Bool = { false }, report: @escaping (Event) -> Void
    ) throws -> Summary {
        try checkShape(extraction.record)
        var recorder = recorder(cache)
        let directory = recorder.directory
        // Checked before gigabytes are read.
        try recorder.claimName()
        let features = try features ?? load(cache, extraction)
        try checkLabels(features) { report(.note($0)) }
        for note in try notes(cache, extraction.id, features) { report(.note(note)) }
        let videos = try cache.videoIDs()
        let earlier = recorder.resumes ? try earlierClips(directory, cache) { report(.note($0)) } : nil
        let (partition, clips) = try clips(features, videos, earlier: earlier)
        if let note = try nearDuplicateNote(cache, features, partition) { report(.note(note)) }
        if training.calibrates == true, crossValidation == nil, partition.validation.isEmpty {
            throw SequenceError.nothingToCalibrateOn
        }
        let classes = training.model.kind.classes(features, partition, training.labelTask)
        if classes.isEmpty, training.labelTask == .classification { throw SequenceError.noTraining(dataset: dataset) }
        try training.model.kind.check(positive: training.positive, among: classes, option: "`sequence.positive`")
        let input = HeadConfiguration.Input(extraction.record)
        var configuration = RunDirectory.Configuration(
            name: name, version: version, labels: classes, input: input, training: training,
            recipe: extraction.record.recipe, recipeDigest: extraction.record.digest,
            weights: extraction.record.weights, cache: cache.path, dataset: dataset, bestEpoch: 0)
        configuration.root = root
        configuration.excluded = excluded.isEmpty ? nil : excluded.sorted()
        configuration.crossValidation = crossValidation?.summary
        configuration.sampledRate = try cache.sampledRate(dataset: dataset, extraction: extraction.id)
        configuration.missing = missing
        if recorder.resumes {
            // Earlier results of the run must not be replaced if the features are damaged now.
            try features.requireVerified()
            let differences = try directory.checkpointConfiguration().differences(from: configuration)
            guard differences.isEmpty else {
                throw SequenceError.otherConfiguration(run: directory.path, differences: differences)
            }
        }
        try recorder.begin(
            extraction: extraction.id, dataset: dataset, model: training.model.summary,
            configuration: TrainingCheckpoint.json(training, .sortedKeys), seed: training.seed, clips, videos,
            task: training.labelTask)
        return try recorder.recordingFailure {
            let graph = training.model.graph(input, classes: classes.count)
            report(
                .loaded(
                    train: partition.train.count, validation: partition.validation.count, test: partition.test.count,
                    classes: classes.count, parameters: graph.parameterCount))
            let begin = ContinuousClock.now
            let hooks: Trainer.Hooks = try recorder.hooks(
                configuration: TrainingCheckpoint.json(configuration), isCancelled: isCancelled
            ) { report(.epoch($0)) }
            let resume: (Trainer.State) throws -> Trainer.State = { start in
                let state = try directory.loadCheckpoint(start)
                report(.resumed(epochs: state.epoch))
                return state
            }
            let result = try trainer.train(
                features, partition, input: input, resuming: recorder.resumes ? resume : nil, hooks: hooks)
            return try finish(
                result, features, partition, configuration, recorder,
                seconds: (ContinuousClock.now - begin) / .seconds(1))
        }
    }

    private func recorder(_ cache: CacheFile) -> RunRecorder {
        RunRecorder(name: name, runs: runs, cache: cache, resumes: resumes)
    }

    /// The features of the run's clips, possibly not verified yet. Throws `SequenceError`, `CacheError`,
    /// `DatasetError`.
    package func load(
        _ cache: CacheFile, _ extraction: StoredExtraction
    ) throws -> FeatureSet {
        if let source {
            return try Self.load(
                cache, source, extraction: extraction, views: training.views, memory: memory, overlapping: true)
        }
        return try Self.load(
            cache, dataset: dataset, extraction: extraction, excluding: excluded, views: training.views, memory: memory,
            overlapping: true)
    }

    /// The training set: all clips outside the test set if cross-validation determined the number of epochs.
    func partition(_ features: FeatureSet) -> Partition {
        guard crossValidation != nil else {
            return Partition(
                features, validation: training.validation, seed: training.seed, task: training.labelTask)
        }
        let isTest = { features.examples[$0].split == Split.test.rawValue }
        return Partition(
            train: features.examples.indices.filter { !isTest($0) }, validation: [],
            test: features.examples.indices.filter(isTest))
    }

    private var trainer: Trainer {
        var training = training
        // There is no validation set for early stopping.
        if crossValidation != nil { training.earlyStopping = nil }
        var trainer = Trainer(training, threads: threads)
        trainer.stopsAfter = crossValidation?.summary.epochs
        return trainer
    }

    /// - Throws: `SequenceError.notMaps`, `.notVectors` if the head does not fit the features.
    package func checkShape(_ record: ExtractionRecord) throws {
        let shape = record.featureShape
        let head = training.model.kind
        if head.readsMaps && shape.count != 3 { throw SequenceError.notMaps(shape: shape, head: head.rawValue) }
        if !head.readsMaps && shape.count != 1 { throw SequenceError.notVectors(shape: shape, head: head.rawValue) }
    }

    /// - Throws: `CacheError.runExists` if a run of this name exists and would not be resumed.
    package func checkName(_ cache: CacheFile) throws { try recorder(cache).claimName() }
}

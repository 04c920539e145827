import Backbones
import Datasets
import Extraction
import FeatureCache
import Files
import Foundation
import NeuralNetwork
import SequenceModels

/// One fine-tuning run, from frames to a run directory and a weight file: `runs/NAME` is a run like those of
/// `sequence`, and `runs/NAME/backbone/model.safetensors` contains the backbone for `extract`.
package struct FineTuningRun: Sendable {
    package var name: String
    package var dataset: DatasetConfiguration
    package var configuration: FineTuningConfiguration
    /// Folder of all runs.
    package var runs: String
    package var version: String
    package var threads = 1
    /// Maximum bytes of frames in memory.
    package var memory = Int.max
    /// Whether an existing run of this name is resumed from its last checkpoint, or restarted if it has none.
    package var resumes = false

    package init(
        name: String, dataset: DatasetConfiguration, configuration: FineTuningConfiguration, runs: String,
        version: String
    ) {
        (self.name, self.dataset, self.configuration) = (name, dataset, configuration)
        (self.runs, self.version) = (runs, version)
    }

    package var directory: RunDirectory { RunDirectory(path: runs + "/" + name) }
    /// The backbone's weights, for `extract.weights`.
    package var weightsPath: String { directory.path + "/backbone/model.safetensors" }

    package struct Summary {
        /// By split, with the weights of the best epoch.
        package let metrics: [Split: RunMetrics]
        /// Epoch of the selected weights, and number of trained epochs.
        package let bestEpoch, epochs: Int
        /// Wall-clock time.
        package let seconds: Double
        package let ending: TrainingOutcome
        package var wasCancelled: Bool { ending == .cancelled }
    }

    /// Trains and writes all results; epochs and predictions are also stored in the cache. If it is cancelled, the
    /// model of the best epoch so far is written. Throws `FineTuningError`, `SequenceError`, `CacheError`,
    /// `WeightsError`.
    package func train(
        _ frames: FrameSet, cache: CacheFile, isCancelled: @escaping () -> Bool = { false },
        progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in },
        report: @escaping (EpochRecord) throws -> Void
    ) throws -> Summary {
        let started = ContinuousClock.now
        try checkLabels(of: frames)
        let fingerprint = try fingerprint()
        var recorder = RunRecorder(name: name, runs: runs, cache: cache, resumes: resumes)
        try recorder.claimName()
        if recorder.resumes, !directory.checkpoint.exists {
            throw FineTuningError.otherCheckpoint(run: directory.path)
        }
        try RunDirectory(path: directory.path + "/backbone").writing {}
        let clips = try clips(of: frames, goesOn: recorder.resumes)
        let rows = try register(frames, cache)
        try recorder.begin(
            extraction: nil, dataset: dataset.name, model: modelText, configuration: fingerprint,
            seed: configuration.training.seed, clips,
            Dictionary(zip(frames.entries.map(\.digest), rows), uniquingKeysWith: { first, _ in first }),
            task: configuration.training.labelTask)
        return try recorder.recordingFailure {
            var tuner = FineTuner(configuration)
            (tuner.threads, tuner.memory) = (threads, memory)
            var hooks: FineTuner.Hooks = recorder.hooks(
                configuration: fingerprint, isCancelled: isCancelled, report: report)
            hooks.progress = progress
            let resume: (FineTuner.State) throws -> FineTuner.State = { try load($0, fingerprint) }
            let result = try tuner.train(frames, resuming: recorder.resumes ? resume : nil, hooks: hooks)
            let ending = try finish(result, frames, rows, recorder)
            return Summary(
                metrics: result.evaluations.compactMapValues { $0.metrics }, bestEpoch: result.bestEpoch,
                epochs: result.epochs, seconds: (ContinuousClock.now - started) / .seconds(1), ending: ending)
        }
    }

    private func load(_ start: FineTuner.State, _ fingerprint: String) throws -> FineTuner.State {
        guard try directory.checkpoint.configuration() == fingerprint else {
            throw FineTuningError.otherCheckpoint(run: directory.path)
        }
        do { return try directory.checkpoint.load(start) } catch is InvalidValue {
            throw FineTuningError.otherCheckpoint(run: directory.path)
        }
    }

    private var modelText: String {
        "\(configuration.extraction.backbone.name) + \(configuration.training.model.summary)"
    }

    private func finish(
        _ result: FineTuner.Result, _ frames: FrameSet, _ rows: [Int64], _ recorder: RunRecorder
    ) throws -> TrainingOutcome {
        let initial = try LoadedWeights(
            configuration.extraction.weights, for: configuration.extraction.backbone)
        let first = try ExtractionRecipe(configuration.extraction, initial)
        // The weights' names alone do not determine their implementation and input.
        let traits = WeightsTraits(numerics: [first.numerics], input: first.input)
        try SafeTensorsWriter.write(result.weights, metadata: traits.metadata, to: weightsPath)
        var tuned = configuration.extraction
        tuned.weights = .file(weightsPath)
        let weights = try LoadedWeights(tuned.weights, for: tuned.backbone)
        let recipe = try ExtractionRecipe(tuned, weights)
        let cache = recorder.cache
        // The recipe of weights that are not final would remain in the cache when training resumes.
        if result.ending != .cancelled {
            let shape = try recipe.graph(weights.source).featureShape(of: recipe.tap)
            try cache.setExtraction(try cache.addExtraction(record(of: recipe, shape: shape)), run: recorder.id)
        }
        var settings = RunDirectory.Configuration(
            name: name, version: version, labels: result.head.labels, input: result.head.input,
            training: configuration.training, recipe: recipe.json, recipeDigest: recipe.digest, weights: weightsPath,
            cache: cache.path, dataset: dataset.name, bestEpoch: result.bestEpoch)
        settings.root = dataset.root
        settings.sampledRate = frames.sampledRate
        if configuration.training.labelTask == .multilabel { settings.thresholds = result.head.thresholds }
        return try recorder.finish(
            result.head, settings, stored(result, rows), result.evaluations.compactMapValues(\.metrics), result.ending)
    }

    private func record(of recipe: ExtractionRecipe, shape: [Int]) -> ExtractionRecord {
        ExtractionRecord(
            digest: recipe.digest, name: name, backbone: recipe.backbone, weights: weightsPath,
            weightsDigest: recipe.weights, tap: recipe.tap, imageSize: recipe.imageSize,
            maxFrames: recipe.sampling.frames, featureShape: shape,
            elementType: recipe.storedType, precision: recipe.precision.rawValue, recipe: recipe.json, version: version)
    }

    /// The role of each clip in the task. Throws `SequenceError.otherClips` if a resumed run used other roles before.
    private func clips(of frames: FrameSet, goesOn: Bool) throws -> RunClips {
        let features = frames.features(size: 1)
        let clips = RunClips(
            features, partition(features),
            digests: Dictionary(uniqueKeysWithValues: frames.entries.enumerated().map { (Int64($0), $1.digest) }))
        if goesOn, let earlier = try directory.recordedClips(), earlier != clips {
            let changed = Set(earlier.entries).symmetricDifference(clips.entries)
            throw SequenceError.otherClips(run: directory.path, count: Set(changed.map(\.digest)).count)
        }
        return clips
    }

    private func partition(_ features: FeatureSet) -> Partition {
        let training = configuration.training
        return Partition(features, validation: training.validation, seed: training.seed, task: training.labelTask)
    }

    /// Throws `SequenceError.testOnly` if there are labels that occur in the validation or test part only.
    private func checkLabels(of frames: FrameSet) throws {
        let features = frames.features(size: 1)
        let unknown = configuration.training.labelsWithoutTraining(features, partition(features))
        if !unknown.isEmpty { throw SequenceError.testOnly(labels: unknown, isFineTuning: true) }
    }

    /// Registers the clips in the cache. Returns their row IDs in the order of the frames' entries.
    private func register(_ frames: FrameSet, _ cache: CacheFile) throws -> [Int64] {
        try cache.registerSamples(
            frames.entries.map { entry in
                (
                    VideoRecord(digest: entry.digest, path: entry.clip.path),
                    SampleRecord(entry.clip, of: dataset)
                )
            })
    }

    /// Predictions with the clips' row IDs in the cache.
    private func stored(_ result: FineTuner.Result, _ rows: [Int64]) -> [PredictionRecord] {
        result.evaluations.values.flatMap(\.predictions).map { prediction in
            PredictionRecord(
                videoID: rows[Int(prediction.videoID)], split: prediction.split, label: prediction.label,
                predicted: prediction.predicted, probability: prediction.probability,
                probabilities: prediction.probabilities)
        }
        .sorted { $0.videoID < $1.videoID }
    }

    /// Everything that determines the weights, as JSON.
    private func fingerprint() throws -> String {
        struct Content: Encodable {
            let training: TrainingConfiguration
            let extraction, unfreezing: String
            let backboneLearningRate: Double?
            let framesPerVideo, framesPerClass: Int?
            let augmentation: Augmentation
        }
        var training = configuration.training
        // May change when training resumes.
        training.checkpoint = 1
        // May change unless the schedule depends on the number of epochs.
        if training.schedule.kind != .cosine { training.epochs = 0 }
        let extraction = configuration.extraction
        let content = Content(
            training: training,
            extraction:
                "\(extraction.backbone.name) \(extraction.weights.name) \(extraction.tap) \(extraction.imageSize) "
                + "\(extraction.sampling) \(extraction.resize)" + (extraction.showsDifference ? " difference" : "")
                + (extraction.aspect == .display ? " display" : ""),
            unfreezing: "\(configuration.unfreezing)", backboneLearningRate: configuration.backboneLearningRate,
            framesPerVideo: configuration.framesPerVideo, framesPerClass: configuration.framesPerClass,
            augmentation: configuration.augmentation)
        return try TrainingCheckpoint.json(content, .sortedKeys)
    }
}

import Backbones
import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels

/// One fine-tuning run, from frames to a run directory and a weight file: `runs/NAME` is a run like those of
/// `sequence`, and `runs/NAME/backbone/model.safetensors` contains the backbone for `extract`.
package struct FineTuningRun: Sendable {
    /// Name of the run and of its directory.
    package var name: String
    package var dataset: DatasetConfiguration
    package var configuration: FineTuningConfiguration
    /// Folder of all runs.
    package var runs: String
    package var version: String
    /// Number of threads.
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
        package let metrics: [Split: Metrics]
        /// Epoch of the selected weights, and number of trained epochs.
        package let bestEpoch, epochs: Int
        /// Wall-clock time.
        package let seconds: Double
        package let ending: Trainer.Ending
        package var wasCancelled: Bool { ending == .cancelled }
    }

    /// Trains and writes all results; epochs and predictions are also stored in the cache.
    ///
    /// - Throws: `FineTuningError`, `SequenceError`, `CacheError`, `WeightsError`.
    package func train(
        _ frames: FrameSet, cache: CacheFile, isCancelled: @escaping () -> Bool = { false },
        progress: @escaping (_ done: Int, _ total: Int) -> Void = { _, _ in },
        report: @escaping (EpochRecord) throws -> Void
    ) throws -> Summary {
        let started = ContinuousClock.now
        let checkpoint = FineTuningCheckpoint(
            path: directory.path + "/last.safetensors", configuration: try fingerprint(), run: directory.path)
        // A run that was killed before its first checkpoint is restarted.
        let goesOn = resumes && directory.exists
        if !resumes, directory.exists { throw CacheError.runExists(name: name) }
        if goesOn, !checkpoint.exists { throw FineTuningError.otherCheckpoint(run: directory.path) }
        if try !goesOn && cache.run(named: name) != nil { try cache.removeRun(named: name) }
        try makeFolder(directory.path + "/backbone")
        let clips = try clips(of: frames, goesOn: goesOn)
        let rows = try register(frames, cache)
        let run = try enter(cache)
        try record(clips, frames, rows, cache, run)
        do {
            var tuner = FineTuner(configuration)
            (tuner.threads, tuner.memory) = (threads, memory)
            var hooks = FineTuner.Hooks()
            hooks.isCancelled = isCancelled
            hooks.progress = progress
            hooks.checkpoint = checkpoint.save
            hooks.report = { epoch in
                try cache.addEpoch(epoch, run: run)
                try report(epoch)
            }
            let resume: (FineTuningState) throws -> FineTuningState = { try checkpoint.load($0) }
            let result = try tuner.train(frames, resuming: goesOn ? resume : nil, hooks: hooks)
            if result.ending == .cancelled {
                try cache.finishRun(run, state: .interrupted)
            } else {
                try finish(result, frames, rows, cache, run)
            }
            return Summary(
                metrics: result.evaluations.compactMapValues { $0.metrics }, bestEpoch: result.state.bestEpoch,
                epochs: result.state.epoch, seconds: (ContinuousClock.now - started) / .seconds(1),
                ending: result.ending)
        } catch {
            try? cache.finishRun(run, state: SequenceError.isDivergence(error) ? .diverged : .failed)
            throw error
        }
    }

    private func enter(_ cache: CacheFile) throws -> Int64 {
        if resumes, let run = try cache.run(named: name) {
            try cache.resumeRun(run)
            return run
        }
        return try cache.addRun(
            name: name, extraction: nil, dataset: dataset.name, model: modelText, configuration: try fingerprint(),
            seed: configuration.training.seed)
    }

    private var modelText: String {
        "\(configuration.extraction.backbone.name) + \(configuration.training.model.summary)"
    }

    private func makeFolder(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw SequenceError.runDirectory(path: path, reason: "it cannot be written (\(error.localizedDescription))")
        }
    }

    private func finish(
        _ result: FineTuner.Result, _ frames: FrameSet, _ rows: [Int64], _ cache: CacheFile, _ run: Int64
    ) throws {
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
        let shape = try recipe.graph(weights.source).featureShape(of: recipe.tap)
        let extraction = try cache.addExtraction(
            ExtractionRecord(
                digest: recipe.digest, name: name, backbone: recipe.backbone, weights: weightsPath,
                weightsDigest: recipe.weights, tap: recipe.tap, imageSize: recipe.imageSize,
                maxFrames: recipe.sampling.frames, featureShape: shape,
                elementType: recipe.storedType, precision: recipe.precision.rawValue,
                recipe: recipe.json, version: version))
        try cache.setExtraction(extraction, run: run)
        var settings = RunDirectory.Configuration(
            name: name, version: version, labels: result.head.labels, input: result.head.input,
            training: configuration.training, recipe: recipe.json, recipeDigest: recipe.digest, weights: weightsPath,
            cache: cache.path, dataset: dataset.name, bestEpoch: result.state.bestEpoch)
        settings.root = dataset.root
        settings.sampledRate = frames.sampledRate
        settings.diverged = result.ending == .diverged ? true : nil
        try directory.save(result.head, settings)
        let predictions = stored(result, rows)
        try cache.store(predictions, run: run)
        try directory.saveTables(
            epochs: cache.epochs(run: run), predictions: predictions,
            paths: Dictionary(try cache.clips(run: run).map { ($0.videoID, $0.path) }, uniquingKeysWith: { a, _ in a }))
        try cache.finishRun(run, state: RunState(result.ending))
    }

    /// The role of each clip in the task.
    ///
    /// - Throws: `SequenceError.otherClips` if a resumed run used other roles before.
    private func clips(of frames: FrameSet, goesOn: Bool) throws -> RunClips {
        let training = configuration.training
        let features = frames.features(size: 1)
        let clips = RunClips(
            features, Partition(features, validation: training.validation, seed: training.seed),
            digests: Dictionary(uniqueKeysWithValues: frames.entries.enumerated().map { (Int64($0), $1.digest) }))
        if goesOn, let earlier = try directory.recordedClips(), earlier != clips {
            let changed = Set(earlier.entries).symmetricDifference(clips.entries)
            throw SequenceError.otherClips(run: directory.path, count: Set(changed.map(\.digest)).count)
        }
        return clips
    }

    /// Registers the clips in the cache. Returns their row IDs in the order of the frames' entries.
    private func register(_ frames: FrameSet, _ cache: CacheFile) throws -> [Int64] {
        try cache.registerSamples(
            frames.entries.map { entry in
                (
                    VideoRecord(digest: entry.digest, path: entry.clip.path),
                    SampleRecord(
                        dataset: dataset.name, label: entry.clip.label, split: entry.clip.ownSplit.rawValue,
                        group: entry.clip.group)
                )
            })
    }

    private func record(
        _ clips: RunClips, _ frames: FrameSet, _ rows: [Int64], _ cache: CacheFile, _ run: Int64
    ) throws {
        let videos = Dictionary(zip(frames.entries.map(\.digest), rows), uniquingKeysWith: { first, _ in first })
        try directory.save(clips)
        try cache.store(
            clips.entries.compactMap { entry in
                videos[entry.digest].map { MembershipRecord(videoID: $0, role: entry.role) }
            }, run: run)
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
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(content), as: UTF8.self)
    }
}

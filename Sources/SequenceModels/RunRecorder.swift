import Datasets
import FeatureCache

/// Records a run in its folder and in the cache: clips, epochs, results, and whether it is running, finished, stopped
/// or failed.
package struct RunRecorder {
    let name: String
    package let directory: RunDirectory
    package let cache: CacheFile
    /// Whether the run is resumed. One that was killed before its first checkpoint is restarted.
    package let resumes: Bool
    /// Row ID in the cache.
    package private(set) var id: Int64 = 0

    package init(name: String, runs: String, cache: CacheFile, resumes: Bool) {
        (self.name, self.cache) = (name, cache)
        directory = RunDirectory(path: runs + "/" + name)
        self.resumes = resumes && directory.exists
    }

    /// - Throws: `CacheError.runExists` if a run of this name exists and is not resumed.
    package func claimName() throws {
        if resumes { return }
        if directory.exists { throw CacheError.runExists(name: name) }
        // It failed or was killed before it wrote results.
        if try cache.run(named: name) != nil { try cache.removeRun(named: name) }
    }

    /// Records that the run is running, and its clips. `extraction`: nil if it is not known yet. `videos`: row IDs by
    /// digest.
    package mutating func begin(
        extraction: Int64?, dataset: String, model: String, configuration: String, seed: Int, _ clips: RunClips,
        _ videos: [String: Int64], task: DatasetConfiguration.Task
    ) throws {
        if resumes, let run = try cache.run(named: name) {
            try cache.resumeRun(run)
            id = run
        } else {
            id = try cache.addRun(
                name: name, extraction: extraction, dataset: dataset, model: model, configuration: configuration,
                seed: seed, task: task)
        }
        try directory.save(clips)
        try cache.store(
            clips.entries.compactMap { entry in
                videos[entry.digest].map { MembershipRecord(videoID: $0, role: entry.role) }
            }, run: id)
    }

    /// Trains; if that fails, records it.
    package func recordingFailure<Result>(_ train: () throws -> Result) throws -> Result {
        do { return try train() } catch {
            try? cache.finishRun(id, state: SequenceError.isDivergence(error) ? .diverged : .failed)
            throw error
        }
    }

    /// Callbacks that record epochs and checkpoints. `configuration`: of the run, as JSON.
    package func hooks<Weights>(
        configuration: String, isCancelled: @escaping () -> Bool, report: @escaping (EpochRecord) throws -> Void
    ) -> TrainingHooks<Weights> {
        var hooks = TrainingHooks<Weights>()
        hooks.isCancelled = isCancelled
        hooks.report = { epoch in
            try cache.addEpoch(epoch, run: id)
            try report(epoch)
        }
        hooks.checkpoint = { state, head in
            try directory.saveCheckpoint(
                state, configuration: configuration, constants: RunDirectory.constants(of: head))
        }
        return hooks
    }

    /// Writes the model, predictions and tables, and records how the run ended. Returns the ending; `.diverged` if a
    /// score is not finite.
    package func finish(
        _ head: Head, _ configuration: RunDirectory.Configuration, _ predictions: [PredictionRecord],
        _ metrics: [Split: RunMetrics], _ ending: TrainingOutcome
    ) throws -> TrainingOutcome {
        // Non-finite scores mean that the head diverged, whatever its loss was.
        let ending = metrics.values.allSatisfy(\.isFinite) ? ending : .diverged
        var configuration = configuration
        configuration.diverged = ending == .diverged ? true : nil
        try cache.store(predictions, run: id)
        try cache.store(
            metrics.flatMap { split, metrics in metrics.stored.map { (split.rawValue, $0.name, $0.value) } }, run: id)
        try directory.save(head, configuration)
        try directory.saveTables(
            epochs: cache.epochs(run: id), predictions: predictions,
            paths: Dictionary(cache.members(run: id).map { ($0.videoID, $0.path) }, uniquingKeysWith: { a, _ in a }))
        try cache.finishRun(id, state: RunState(ending))
        return ending
    }
}

extension RunState {
    fileprivate init(_ ending: TrainingOutcome) {
        self =
            switch ending {
            case .finished, .stoppedEarly: .finished
            case .cancelled: .interrupted
            case .diverged: .diverged
            }
    }
}

import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import PipelineFile
import SequenceModels
import Threads

/// A hyper-parameter sweep: trains all points on the same features, several runs in parallel.
package struct SweepRun {
    package private(set) var plan: SweepPlan
    /// The pipeline's file, for errors.
    package let file: String
    package let cache: CacheFile
    /// Folder of all runs.
    package let runs: String
    package let version: String
    package var workers = 1
    /// Bytes that the features may take.
    package var memory = Int.max
    /// Whether training is allowed if more than a tenth of the clips have no features.
    package var allowsPartial = false

    /// - Throws: `PipelineError` if the pipeline uses all official splits.
    package init(_ plan: SweepPlan, file: String, cache: CacheFile, runs: String, version: String) throws {
        try plan.points[0].pipeline.requireOneSplit(file: file)
        (self.plan, self.file, self.cache, self.runs, self.version) = (plan, file, cache, runs, version)
    }

    package enum Event: Sendable {
        case features(CachedFeatures.Event)
        /// Training begins with this number of models.
        case prepared(models: Int)
        case point(done: Int, Outcome)
        /// A model of a nested cross-validation was trained.
        case model(done: Int, total: Int)
    }

    package struct Outcome: Sendable, Encodable {
        /// Name of the run and its folder.
        package let name: String
        /// One for each key of the sweep.
        package let values: [String]
        /// Epoch of the selected weights.
        package let bestEpoch: Int
        package let epochs: Int
        /// With the selected weights.
        package let validationLoss, validationAccuracy, testAccuracy: Double?
        package let failure: String?
        /// Whether the loss or a score became infinite or NaN: such a point is ranked last and never selected.
        package let diverged: Bool
        /// A reason to doubt its metrics, or nil.
        package let warning: String?
    }

    package struct Result: Sendable {
        /// In the order of the plan; points that were not reached are omitted.
        package let outcomes: [Outcome]
        package let wasCancelled: Bool
        /// The outcome with the best validation loss, or accuracy if training monitored it; nil without a validation
        /// set.
        package let best: Outcome?
    }

    /// Trains missing points; interrupted runs are resumed. `report`: called in the calling thread. Throws
    /// `SequenceError`, `CacheError`; a point that cannot be trained is recorded in its outcome.
    package func run(isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void) throws -> Result {
        let prepared = try prepared(isCrossValidated: false, isCancelled, report)
        report(.prepared(models: plan.points.count))
        var outcomes: [Int: Outcome] = [:]
        try runJobs(count: plan.points.count, workers: workers) {
            { index in isCancelled() ? nil : try prepared.train(index, isCancelled) }
        } consume: { (index: Int, outcome: Outcome?) in
            guard let outcome else { return }
            outcomes[index] = outcome
            report(.point(done: outcomes.count, outcome))
        }
        let ordered = outcomes.sorted { $0.key < $1.key }.map(\.value)
        return Result(outcomes: ordered, wasCancelled: isCancelled(), best: best(ordered))
    }

    /// Selects a point inside the training folds of each outer fold; stores no run. Returns nil if cancelled. Throws
    /// `SequenceError`, `CacheError`, `FoldError`.
    package func nested(
        folds: Int, isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void
    ) throws -> NestedSweep? {
        let prepared = try prepared(isCrossValidated: true, isCancelled, report)
        guard let training = prepared.plan.points[0].pipeline.training else { return nil }
        let validation = try CrossValidation(
            training, folds: folds, repeats: 1, features: prepared.features, input: .init(prepared.extraction.record))
        return try NestedSweep(prepared.plan, validation, workers: workers, isCancelled: isCancelled) {
            report(.model(done: $0, total: $1))
        }
    }

    private func prepared(
        isCrossValidated: Bool, _ isCancelled: @escaping @Sendable () -> Bool, _ report: @escaping (Event) -> Void
    ) throws -> Prepared {
        let cached = CachedFeatures(file: file, in: cache, version: version, isCancelled: isCancelled) {
            report(.features($0))
        }
        var (plan, pipelines) = (plan, plan.points.map(\.pipeline))
        let extraction = try cached.extraction(for: &pipelines)
        for (index, pipeline) in pipelines.enumerated() { plan.points[index].pipeline = pipeline }
        let first = pipelines[0]
        let missing = try cached.missing(first, extraction, allowsPartial: allowsPartial)
        let isValidated = isCrossValidated || first.training?.folds != nil
        if let note = try first.dataset.testNote(cache, isCrossValidated: isValidated) {
            report(.features(.note(note)))
        }
        let features = try SequenceRun.load(
            cache, first.dataset, extraction: extraction, views: pipelines.compactMap { $0.training?.views }.max() ?? 1,
            memory: memory, overlapping: true)
        return Prepared(
            plan: plan, runs: runs, version: version, cache: cache, extraction: extraction, features: features,
            missing: missing)
    }

    private func best(_ outcomes: [Outcome]) -> Outcome? {
        let watched = plan.points[0].pipeline.training?.earlyStopping?.monitor
        return outcomes.filter { $0.failure == nil && !$0.diverged && $0.validationLoss != nil }.min { first, second in
            watched == .validationAccuracy
                ? first.validationAccuracy ?? -1 > second.validationAccuracy ?? -1
                : first.validationLoss ?? .infinity < second.validationLoss ?? .infinity
        }
    }
}

/// What all points of a sweep share.
private struct Prepared: Sendable {
    let plan: SweepPlan
    let runs: String
    let version: String
    let cache: CacheFile
    let extraction: StoredExtraction
    let features: FeatureSet
    /// Clips of the pipeline without features.
    let missing: [MissingClips]?

    /// Trains one point; nil if interrupted.
    func train(_ index: Int, _ isCancelled: @escaping @Sendable () -> Bool) throws -> SweepRun.Outcome? {
        let point = plan.points[index]
        guard let training = point.pipeline.training else { return nil }
        var run = SequenceRun(
            name: point.name, dataset: point.pipeline.dataset.name, training: training, runs: runs, version: version)
        let directory = RunDirectory(path: runs + "/" + point.name)
        run.resumes = directory.checkpoint.exists
        run.root = point.pipeline.dataset.root
        run.excluded = try point.pipeline.dataset.excludedPaths()
        run.missing = missing
        do {
            let summary = try run.run(
                cache: cache, extraction: extraction, features: features, isCancelled: isCancelled, report: { _ in })
            if summary.wasCancelled { return nil }
            return SweepRun.Outcome(
                name: point.name, values: point.values, bestEpoch: summary.bestEpoch, epochs: summary.epochs,
                validationLoss: summary.metrics[.validation]?.finiteLoss,
                validationAccuracy: summary.metrics[.validation]?.accuracy,
                testAccuracy: summary.metrics[.test]?.accuracy, failure: nil, diverged: summary.ending == .diverged,
                warning: summary.warnings.first)
        } catch let error where Self.concernsOnePoint(error) {
            return SweepRun.Outcome(
                name: point.name, values: point.values, bestEpoch: 0, epochs: 0, validationLoss: nil,
                validationAccuracy: nil, testAccuracy: nil, failure: error.localizedDescription,
                diverged: SequenceError.isDivergence(error), warning: nil)
        }
    }

    /// Whether the other points can continue: not if the cache itself fails.
    private static func concernsOnePoint(_ error: any Error) -> Bool {
        if case CacheError.runExists = error { return true }
        return error is SequenceError || error is WeightsError
    }
}

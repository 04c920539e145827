import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import PipelineFile
import Reports
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
    /// Whether labels that occur in the validation or test part only are allowed.
    package var leavesOutUnknown = false

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

    package typealias Outcome = SweepReport.Point

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
        let cached = CachedFeatures(file: file, cache: cache, version: version, isCancelled: isCancelled) {
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
            missing: missing, leavesOutUnknown: leavesOutUnknown)
    }

    private func best(_ outcomes: [Outcome]) -> Outcome? {
        let watched = plan.points[0].pipeline.training?.earlyStopping?.monitor
        return outcomes.filter { $0.failure == nil && !$0.diverged && $0.validationLoss != nil }.min { first, second in
            switch watched {
            case .validationAccuracy: first.validationAccuracy ?? -1 > second.validationAccuracy ?? -1
            case .validationMAP: first.validationMAP ?? -1 > second.validationMAP ?? -1
            default: first.validationLoss ?? .infinity < second.validationLoss ?? .infinity
            }
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
    let leavesOutUnknown: Bool

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
        (run.missing, run.leavesOutUnknown) = (missing, leavesOutUnknown)
        do {
            let summary = try run.run(
                cache: cache, extraction: extraction, features: features, isCancelled: isCancelled, report: { _ in })
            if summary.wasCancelled { return nil }
            return SweepRun.Outcome(
                name: point.name, values: point.values, bestEpoch: summary.bestEpoch, epochs: summary.epochs,
                validationLoss: summary.metrics[.validation]?.finiteLoss,
                validationAccuracy: summary.metrics[.validation]?.accuracy,
                testAccuracy: summary.metrics[.test]?.accuracy,
                validationMAP: summary.metrics[.validation]?.labels?.meanAveragePrecision,
                testMAP: summary.metrics[.test]?.labels?.meanAveragePrecision,
                diverged: summary.ending == .diverged, warning: summary.warnings.first)
        } catch let error where Self.concernsOnePoint(error) {
            return SweepRun.Outcome(
                name: point.name, values: point.values, failure: error.localizedDescription,
                diverged: SequenceError.isDivergence(error))
        }
    }

    /// Whether the other points can continue: not if the cache itself fails.
    private static func concernsOnePoint(_ error: any Error) -> Bool {
        if case CacheError.runExists = error { return true }
        return error is SequenceError || error is WeightsError
    }
}

extension SweepRun {
    /// Writes the results as CSV beside the runs, one line per run. Returns the path of the table.
    package func writeTable(_ result: Result) throws -> String {
        try FileManager.default.createDirectory(atPath: runs, withIntermediateDirectories: true)
        let path = "\(runs)/\(plan.points[0].pipeline.name)-sweep.csv"
        try csv(result).write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// A warning if points were trained or tested on different clips, as after a change of the data set between two
    /// invocations.
    package func differentClips(_ result: Result) throws -> String? {
        let used = try result.outcomes.filter { $0.failure == nil }.map { outcome -> Set<String> in
            let directory = RunDirectory(path: runs + "/" + outcome.name)
            let clips = try RunClips(directory, directory.load().configuration, in: cache)
            return Set(clips.pool.map { "pool " + $0 } + clips.digests(.test).map { "test " + $0 })
        }
        guard Set(used).count > 1 else { return nil }
        return "the data set changed between the runs, so they were trained or tested on different clips and cannot be "
            + "ranked. Train all of them again under another name: --set name=NAME."
    }

    private func csv(_ result: Result) -> String {
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        let hasLabels = plan.points[0].pipeline.dataset.task == .multilabel
        let header =
            ["run"] + plan.keys + ["best_epoch", "epochs", "validation_loss", "validation_accuracy", "test_accuracy"]
            + (hasLabels ? ["validation_map", "test_map"] : []) + ["state"]
        let lines = result.outcomes.map { outcome in
            [outcome.name] + outcome.values + [
                "\(outcome.bestEpoch)", "\(outcome.epochs)", number(outcome.validationLoss),
                number(outcome.validationAccuracy), number(outcome.testAccuracy),
            ] + (hasLabels ? [number(outcome.validationMAP), number(outcome.testMAP)] : []) + [
                outcome.diverged ? "diverged" : outcome.failure == nil ? "finished" : "failed"
            ]
        }
        return CSV.text(header, lines)
    }
}

import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Threads

/// Trains all points of a sweep on the same features, several runs in parallel.
package struct SweepRun: Sendable {
    package let plan: SweepPlan
    /// Folder of all runs.
    package let runs: String
    package let version: String
    /// Runs in parallel.
    package let workers: Int
    /// Bytes that the features may take.
    package let memory: Int
    /// Clips of the pipeline without features.
    package var missing: [MissingClips]?

    package init(plan: SweepPlan, runs: String, version: String, workers: Int, memory: Int) {
        self.plan = plan
        self.runs = runs
        self.version = version
        self.workers = workers
        self.memory = memory
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
        /// Error of the run, or nil.
        package let failure: String?
        /// Whether the loss or a score became infinite or NaN: such a point is ranked last and never selected.
        package let diverged: Bool
        /// A reason to doubt its metrics, or nil.
        package let warning: String?

        enum CodingKeys: String, CodingKey {
            case name, values, epochs, failure, diverged, warning
            case bestEpoch = "best_epoch"
            case validationLoss = "validation_loss"
            case validationAccuracy = "validation_accuracy"
            case testAccuracy = "test_accuracy"
        }
    }

    package struct Result: Sendable {
        /// In the order of the plan; points that were not reached are omitted.
        package let outcomes: [Outcome]
        package let wasCancelled: Bool
        /// The outcome with the best validation loss, or accuracy if training monitored it; nil without a validation
        /// set.
        package let best: Outcome?
    }

    /// Trains missing points; interrupted runs are resumed.
    ///
    /// - `extraction`: the features, the same for all points.
    /// - `report`: called in the calling thread when a point is complete.
    /// - Throws: `SequenceError`, `CacheError`; a point that cannot be trained is recorded in its outcome.
    package func run(
        cache: CacheFile, extraction: (id: Int64, record: ExtractionRecord),
        isCancelled: @escaping @Sendable () -> Bool, report: (_ done: Int, _ outcome: Outcome) -> Void
    ) throws -> Result {
        let first = plan.points[0].pipeline
        let views = plan.points.compactMap { $0.pipeline.training?.views }.max() ?? 1
        let features = try SequenceRun.load(
            cache, first.dataset, extraction: extraction, views: views, memory: memory, overlapping: true)
        var outcomes: [Int: Outcome] = [:]
        let isStopped = isCancelled
        try runJobs(count: plan.points.count, workers: workers) {
            { index in isStopped() ? nil : try self.train(index, cache, extraction, features, isStopped) }
        } consume: { (index: Int, outcome: Outcome?) in
            guard let outcome else { return }
            outcomes[index] = outcome
            report(outcomes.count, outcome)
        }
        let ordered = outcomes.sorted { $0.key < $1.key }.map(\.value)
        return Result(outcomes: ordered, wasCancelled: isCancelled(), best: best(ordered))
    }

    private func best(_ outcomes: [Outcome]) -> Outcome? {
        let watched = plan.points[0].pipeline.training?.earlyStopping?.monitor
        return outcomes.filter { $0.failure == nil && !$0.diverged && $0.validationLoss != nil }.min { first, second in
            watched == .validationAccuracy
                ? first.validationAccuracy ?? -1 > second.validationAccuracy ?? -1
                : first.validationLoss ?? .infinity < second.validationLoss ?? .infinity
        }
    }

    /// Trains one point; nil if interrupted.
    private func train(
        _ index: Int, _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord), _ features: FeatureSet,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) throws -> Outcome? {
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
            return Outcome(
                name: point.name, values: point.values, bestEpoch: summary.bestEpoch, epochs: summary.epochs,
                validationLoss: summary.metrics[.validation]?.finiteLoss,
                validationAccuracy: summary.metrics[.validation]?.accuracy,
                testAccuracy: summary.metrics[.test]?.accuracy, failure: nil, diverged: summary.ending == .diverged,
                warning: summary.warnings.first)
        } catch let error where Self.concernsOnePoint(error) {
            return Outcome(
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

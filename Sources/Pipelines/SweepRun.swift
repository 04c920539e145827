import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels

/// Trains all points of a sweep on the same features, one run a core at a time.
public struct SweepRun: Sendable {
    /// What is trained.
    public let plan: SweepPlan
    /// Folder that holds the runs.
    public let runs: String
    /// Of the program.
    public let version: String
    /// Runs at the same time.
    public let workers: Int
    /// Bytes that the features may take.
    public let memory: Int
    /// Clips of the pipeline that have no features.
    public var missing: [MissingClips]?

    /// All parts, as they are.
    public init(plan: SweepPlan, runs: String, version: String, workers: Int, memory: Int) {
        self.plan = plan
        self.runs = runs
        self.version = version
        self.workers = workers
        self.memory = memory
    }

    /// How one point ended.
    public struct Outcome: Sendable, Encodable {
        /// Name of the run, also of its folder.
        public let name: String
        /// One for each key of the sweep.
        public let values: [String]
        /// Epoch whose weights were kept.
        public let bestEpoch: Int
        /// Epochs that were trained.
        public let epochs: Int
        /// Of the weights that were kept.
        public let validationLoss, validationAccuracy, testAccuracy: Double?
        /// What kept it from ending well, or nil.
        public let failure: String?
        /// Whether the loss or a score became infinite or NaN: such a point is ranked last and never chosen.
        public let diverged: Bool
        /// What makes its figures doubtful, or nil.
        public let warning: String?

        enum CodingKeys: String, CodingKey {
            case name, values, epochs, failure, diverged, warning
            case bestEpoch = "best_epoch"
            case validationLoss = "validation_loss"
            case validationAccuracy = "validation_accuracy"
            case testAccuracy = "test_accuracy"
        }
    }

    /// What the points came to.
    public struct Result: Sendable {
        /// In the order of the plan; those that were not reached are left out.
        public let outcomes: [Outcome]
        /// Whether it was stopped before the end.
        public let wasCancelled: Bool
        /// The outcome with the best validation loss, or accuracy where that is what training watched; nil without a
        /// validation part.
        public let best: Outcome?
    }

    /// Trains what is not trained yet; a run that was interrupted goes on where it stopped.
    ///
    /// - `extraction`: the features, the same for all points.
    /// - `report`: called in the calling thread when a point is done.
    /// - Throws: `SequenceError`, `CacheError`; a point that cannot be trained is an outcome, no error.
    public func run(
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

    /// One point; nil where it was interrupted.
    private func train(
        _ index: Int, _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord), _ features: FeatureSet,
        _ isCancelled: @escaping @Sendable () -> Bool
    ) throws -> Outcome? {
        let point = plan.points[index]
        guard let training = point.pipeline.training else { return nil }
        var run = SequenceRun(
            name: point.name, dataset: point.pipeline.dataset.name, training: training, runs: runs, version: version)
        let directory = RunDirectory(path: runs + "/" + point.name)
        run.resumes = directory.hasCheckpoint
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

    /// Whether the other points can go on: not where the cache itself is in trouble.
    private static func concernsOnePoint(_ error: any Error) -> Bool {
        if case CacheError.runExists = error { return true }
        return error is SequenceError || error is WeightsError
    }
}

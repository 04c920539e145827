import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels

/// Cross-validates, one model a core at a time, then trains the model that is kept.
public struct CrossValidationRun: Sendable {
    /// The run that is left behind.
    public var run: SequenceRun
    /// Models trained at the same time.
    public var workers: Int

    /// A run with as many models at a time as there are workers.
    public init(_ run: SequenceRun, workers: Int) {
        (self.run, self.workers) = (run, workers)
    }

    /// What is going on, for whoever shows it.
    public enum Event: Sendable {
        /// A model is trained: how many are, and how well it names what was held out.
        case fold(done: Int, total: Int, accuracy: Double)
        case validated(CrossValidationResult)
        case final(SequenceRun.Event)
    }

    /// Trains all models.
    ///
    /// - Returns: nil where it was stopped before the folds were done; nothing is left behind then.
    /// - Throws: `SequenceError`, `.divergedFolds` if a model has no scores to give, `CacheError`, `FoldError`, `DatasetError`.
    public func train(
        cache: CacheFile, extraction: (id: Int64, record: ExtractionRecord),
        isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void
    ) throws -> SequenceRun.Summary? {
        var run = run
        try run.checkShape(extraction.record)
        try run.checkName(cache)
        let features = try run.load(cache, extraction)
        let validation = try CrossValidation(
            run.training, folds: run.training.folds ?? 5, repeats: run.training.repeats ?? 1, features: features,
            input: .init(shape: extraction.record.featureShape, maximumLength: extraction.record.maxFrames))
        var fits: [CrossValidation.Fit] = []
        var diverged = 0
        try validation.fitAll(workers: workers, isCancelled: isCancelled) { outcome in
            guard case .fit(let fit) = outcome else {
                diverged += 1
                return
            }
            fits.append(fit)
            report(
                .fold(done: fits.count, total: validation.count, accuracy: fit.heldOut.metrics?.accuracy ?? 0))
        }
        if diverged > 0 { throw SequenceError.divergedFolds(diverged, of: validation.count) }
        guard fits.count == validation.count else { return nil }
        let result = CrossValidationResult(fits.sorted { $0.index < $1.index }, of: validation)
        report(.validated(result))
        run.crossValidation = result
        return try run.run(
            cache: cache, extraction: extraction, features: validation.features, isCancelled: isCancelled
        ) { report(.final($0)) }
    }
}

extension CrossValidation {
    /// How training one model ended.
    enum Outcome: Sendable {
        case fit(Fit)
        /// It has no finite scores for all its clips.
        case diverged(index: Int)
    }

    /// Trains every model, several side by side; `consume` is called in the calling thread, in the order in which they
    /// are done.
    ///
    /// - Parameters:
    ///   - share: of the training folds that is used.
    ///   - training: in place of `training`; nil takes that.
    /// - Throws: `SequenceError`, `CacheError`, or what `consume` throws.
    func fitAll(
        workers: Int, share: Double = 1, training: TrainingConfiguration? = nil,
        isCancelled: @escaping @Sendable () -> Bool, consume: (Outcome) throws -> Void
    ) throws {
        let threads = max(1, workers / count)
        try runJobs(count: count, workers: workers) {
            { index -> Outcome? in
                do {
                    return try self.fit(
                        index, share: share, training: training, threads: threads, isCancelled: isCancelled
                    ).map { .fit($0) }
                } catch let error where SequenceError.isDivergence(error) {
                    return .diverged(index: index)
                }
            }
        } consume: { (_: Int, outcome: Outcome?) in
            if let outcome { try consume(outcome) }
        }
    }
}

import Extraction
import FeatureCache
import Foundation
import SequenceModels
import Threads

/// Cross-validates with several models in parallel, then trains the final model.
package struct CrossValidationRun: Sendable {
    package var run: SequenceRun
    package var workers: Int

    package init(_ run: SequenceRun, workers: Int) { (self.run, self.workers) = (run, workers) }

    package enum Event: Sendable {
        /// A model was trained: the number so far, and its accuracy or mean average precision on the held-out fold.
        case fold(done: Int, total: Int, score: Double)
        case validated(CrossValidationResult)
        case final(SequenceRun.Event)
    }

    /// Trains all models. Returns nil if cancelled before the folds were complete; nothing is stored then. Throws
    /// `SequenceError`, `.divergedFolds` if a model has no finite scores, `CacheError`, `FoldError`, `DatasetError`.
    package func train(
        cache: CacheFile, extraction: StoredExtraction,
        isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void
    ) throws -> SequenceRun.Summary? {
        var run = run
        try run.checkShape(extraction.record)
        try run.checkName(cache)
        let features = try run.load(cache, extraction)
        let validation = try CrossValidation(
            run.training, folds: run.training.folds ?? 5, repeats: run.training.repeats ?? 1, features: features,
            input: .init(extraction.record))
        var fits: [CrossValidation.Fit] = []
        var diverged = 0
        try validation.fitAll(workers: workers, isCancelled: isCancelled) { outcome in
            guard case .fit(let fit) = outcome else {
                diverged += 1
                return
            }
            fits.append(fit)
            report(.fold(done: fits.count, total: validation.count, score: fit.heldOut.metrics?.score ?? 0))
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

    /// Trains every model, several in parallel; `consume` is called in the calling thread in order of completion.
    /// `share`: fraction of the training folds to use. `training`: overrides `training`. Throws `SequenceError`,
    /// `CacheError`, or the error of `consume`.
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

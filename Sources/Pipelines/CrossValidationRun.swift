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
    /// - Throws: `SequenceError`, `CacheError`, `FoldError`, or what `labels` throws.
    public func train(
        cache: CacheFile, extraction: (id: Int64, record: ExtractionRecord),
        labels: ([(label: String, split: Split)]) throws -> Set<String>,
        isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void
    ) throws -> SequenceRun.Summary? {
        var run = run
        try run.checkShape(extraction.record)
        try run.checkName(cache)
        let features = try SequenceRun.load(
            cache, dataset: run.dataset, extraction: extraction, labels: labels, excluding: run.excluded,
            views: run.training.views, memory: run.memory)
        let validation = try CrossValidation(
            run.training, folds: run.training.folds ?? 5, repeats: run.training.repeats ?? 1, features: features,
            input: .init(shape: extraction.record.featureShape, maximumLength: extraction.record.maxFrames))
        var fits: [CrossValidation.Fit] = []
        try validation.fitAll(workers: workers, isCancelled: isCancelled) { fit in
            fits.append(fit)
            let right = fit.heldOut.predictions.count { $0.label == $0.predicted }
            report(
                .fold(
                    done: fits.count, total: validation.count,
                    accuracy: Double(right) / Double(max(1, fit.heldOut.predictions.count))))
        }
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
    /// Trains every model, several side by side; `consume` is called in the calling thread, in the order in which they
    /// are done.
    ///
    /// - Parameters:
    ///   - share: of the training folds that is used.
    ///   - training: in place of `training`; nil takes that.
    /// - Throws: `SequenceError`, `CacheError`, or what `consume` throws.
    func fitAll(
        workers: Int, share: Double = 1, training: TrainingConfiguration? = nil,
        isCancelled: @escaping @Sendable () -> Bool, consume: (Fit) throws -> Void
    ) throws {
        let threads = max(1, workers / count)
        try runJobs(count: count, workers: workers) {
            { index in
                try self.fit(index, share: share, training: training, threads: threads, isCancelled: isCancelled)
            }
        } consume: { (_: Int, fit: Fit?) in
            if let fit { try consume(fit) }
        }
    }
}

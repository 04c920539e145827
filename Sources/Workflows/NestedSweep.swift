import PipelineFile
import FeatureCache
import SequenceModels

/// A sweep nested in the training folds of a cross-validation, which estimates the accuracy of the selection procedure
/// without bias.
package struct NestedSweep: Sendable {
    /// The selection of one outer fold.
    package struct Choice: Sendable, Encodable {
        /// From 1.
        package let fold: Int
        /// Of the point with the lowest loss on the inner validation set.
        package let values: [String]
        package let validationLoss: Double
        /// On the held-out fold; of all labels of a clip together, if there are several.
        package let accuracy: Double
        /// On the held-out fold; nil for one class a clip.
        package let meanAveragePrecision: Double?
        package var score: Double { meanAveragePrecision ?? accuracy }
    }

    /// One for each fold of each repetition.
    package let choices: [Choice]
    /// Out-of-fold results of the selected models.
    package let result: CrossValidationResult

    /// Trains every point in every fold. `validation`: defines the folds; its own training configuration is not used.
    /// `report`: called in the calling thread. Returns nil if cancelled. Throws `SequenceError`, `CacheError`;
    /// `SequenceError.noValidation` if there is no inner validation set.
    init?(
        _ plan: SweepPlan, _ validation: CrossValidation, workers: Int, isCancelled: @escaping @Sendable () -> Bool,
        report: (_ done: Int, _ total: Int) -> Void
    ) throws {
        var best: [Int: (fit: CrossValidation.Fit, loss: Double, point: Int)] = [:]
        let total = plan.points.count * validation.count
        var done = 0
        for (place, point) in plan.points.enumerated() {
            try validation.fitAll(workers: workers, training: point.pipeline.training, isCancelled: isCancelled) {
                outcome in
                done += 1
                report(done, total)
                // A diverged point is never selected.
                guard case .fit(let fit) = outcome, !fit.isDiverged else { return }
                guard let loss = fit.inner?.loss else {
                    throw SequenceError.noValidation(monitor: "the choice of a point")
                }
                if loss < best[fit.index]?.loss ?? .infinity { best[fit.index] = (fit, loss, place) }
            }
        }
        guard done == total else { return nil }
        let chosen = best.sorted { $0.key < $1.key }.map(\.value)
        guard chosen.count == validation.count else {
            throw SequenceError.divergedFolds(validation.count - chosen.count, of: validation.count)
        }
        result = CrossValidationResult(chosen.map(\.fit), of: validation)
        choices = chosen.map { choice in
            let held = choice.fit.heldOut.predictions
            return Choice(
                fold: choice.fit.index + 1, values: plan.points[choice.point].values, validationLoss: choice.loss,
                accuracy: Double(held.count { $0.label == $0.predicted }) / Double(max(1, held.count)),
                meanAveragePrecision: choice.fit.heldOut.metrics?.labels?.meanAveragePrecision)
        }
    }
}

import FeatureCache
import SequenceModels

/// A sweep inside the training folds of a cross-validation: what choosing the best point brings on clips that neither
/// trained nor chose it.
public struct NestedSweep: Sendable {
    /// What one outer fold chose.
    public struct Choice: Sendable, Encodable {
        /// From 1.
        public let fold: Int
        /// Of the point with the lowest loss on the inner validation part.
        public let values: [String]
        /// That loss.
        public let validationLoss: Double
        /// Of the clips that were held out.
        public let accuracy: Double

        enum CodingKeys: String, CodingKey {
            case fold, values, accuracy
            case validationLoss = "validation_loss"
        }
    }

    /// One for each fold of each repeat.
    public let choices: [Choice]
    /// What the chosen models say of the clips that were held out from them.
    public let result: CrossValidationResult
    /// Trains every point in every fold.
    ///
    /// - `validation`: whose training folds choose; its own training is not used.
    /// - `report`: called in the calling thread.
    /// - Returns: nil where it was stopped.
    /// - Throws: `SequenceError`, `CacheError`; `SequenceError.noValidation` where there is nothing to choose by.
    public init?(
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
                // A point that diverged is never chosen.
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
                accuracy: Double(held.count { $0.label == $0.predicted }) / Double(max(1, held.count)))
        }
    }
}

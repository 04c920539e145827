import FeatureCache
import SequenceModels

/// Accuracy against the number of training clips: whether more data would help.
public struct LearningCurve: Sendable {
    /// One size of the training part.
    public struct Point: Sendable, Encodable {
        /// Mean over the models.
        public let clips: Double
        /// Of all clips that could be trained on.
        public let share: Double
        /// Of the clips that were held out; nil if a model diverged.
        public let accuracy: Double?
        /// 95 %, of the accuracy; clips of one source count together.
        public let interval: Statistics.Interval?
        /// Sample standard deviation of the accuracies of the single models.
        public let deviation: Double?
        /// Models whose loss or scores became infinite or NaN.
        public let diverged: Int
    }

    /// Smallest share first.
    public let points: [Point]
    /// Clips held out, all folds together.
    public let heldOut: Int

    /// Cross-validates with growing shares of the training folds; sizes double from one to the next.
    ///
    /// - `count`: of sizes, at least 2.
    /// - `workers`: models at a time.
    /// - `report`: called in the calling thread.
    /// - Returns: nil where it was stopped.
    /// - Throws: `SequenceError`, `CacheError`.
    public init?(
        _ validation: CrossValidation, sizes count: Int, workers: Int, isCancelled: @escaping @Sendable () -> Bool,
        report: (_ done: Int, _ total: Int) -> Void
    ) throws {
        let shares = (0..<count).map { 1 / Double(1 << (count - 1 - $0)) }
        var points: [Point] = []
        for (index, share) in shares.enumerated() {
            var fits: [CrossValidation.Fit] = []
            var failed = 0
            try validation.fitAll(workers: workers, share: share, isCancelled: isCancelled) { outcome in
                if case .fit(let fit) = outcome { fits.append(fit) } else { failed += 1 }
                report(index * validation.count + fits.count + failed, shares.count * validation.count)
            }
            guard fits.count + failed == validation.count else { return nil }
            let point = Self.point(fits, validation, share: share, failed: failed)
            // Of few clips, halves may be of the same size: one source a class is the least.
            if let last = points.last, last.clips == point.clips, last.diverged == 0 { points.removeLast() }
            points.append(point)
        }
        self.points = points
        heldOut = validation.pool.count
    }

    private static func point(
        _ fits: [CrossValidation.Fit], _ validation: CrossValidation, share: Double, failed: Int
    ) -> Point {
        let clips = Double(fits.reduce(0) { $0 + $1.trained }) / Double(max(1, fits.count))
        guard failed == 0 else {
            let training = Double(validation.pool.count) * Double(validation.folds - 1) / Double(validation.folds)
            let known = fits.isEmpty ? share * training : clips
            return Point(
                clips: known, share: share, accuracy: nil, interval: nil, deviation: nil,
                diverged: failed + fits.count(where: \.isDiverged))
        }
        let result = CrossValidationResult(fits.sorted { $0.index < $1.index }, of: validation)
        return Point(
            clips: clips, share: share, accuracy: result.metrics.accuracy, interval: result.interval,
            deviation: result.summary.accuracy.deviation, diverged: fits.count(where: \.isDiverged))
    }
}

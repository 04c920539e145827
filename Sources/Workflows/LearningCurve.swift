import Datasets
import FeatureCache
import PipelineFile
import Reports
import SequenceModels

/// Accuracy over the number of training clips, which shows whether more data would help.
package struct LearningCurve: Sendable {
    package typealias Point = LearningCurveReport.Point

    /// Smallest fraction first.
    package let points: [Point]
    package let task: DatasetConfiguration.Task
    /// Number of held-out clips of all folds.
    package let heldOut: Int

    package enum Event: Sendable {
        case features(CachedFeatures.Event)
        case model(done: Int, total: Int)
    }

    /// Cross-validates a pipeline's head on the features of `cache`. `file`: the pipeline's, for errors. `sizes`:
    /// number of training set sizes, at least 2; each is twice the previous one. `workers`: models in parallel.
    /// `memory`: bytes that the features may take. `allowsPartial`: whether more than a tenth of the clips may have no
    /// features. Returns nil if cancelled. Throws `PipelineError`, `SequenceError`, `CacheError`, `FoldError`.
    package init?(
        _ pipeline: Pipeline, file: String, cache: CacheFile, version: String, folds: Int, repeats: Int, sizes: Int,
        workers: Int, memory: Int, allowsPartial: Bool, isCancelled: @escaping @Sendable () -> Bool,
        report: @escaping (Event) -> Void
    ) throws {
        try pipeline.requireOneSplit(file: file)
        let cached = CachedFeatures(file: file, cache: cache, version: version, isCancelled: isCancelled) {
            report(.features($0))
        }
        var pipelines = [pipeline]
        let extraction = try cached.extraction(for: &pipelines)
        guard let pipeline = pipelines.first, let training = pipeline.training else { return nil }
        _ = try cached.missing(pipeline, extraction, allowsPartial: allowsPartial)
        let features = try SequenceRun.load(
            cache, pipeline.dataset, extraction: extraction, views: training.views, memory: memory, overlapping: true)
        let validation = try CrossValidation(
            training, folds: folds, repeats: repeats, features: features, input: .init(extraction.record))
        try self.init(validation, sizes: sizes, workers: workers, isCancelled: isCancelled) {
            report(.model(done: $0, total: $1))
        }
    }

    /// Cross-validates with growing fractions of the training folds; each size is twice the previous one. `count`:
    /// number of sizes, at least 2. `workers`: models in parallel. `report`: called in the calling thread. Returns nil
    /// if cancelled. Throws `SequenceError`, `CacheError`.
    init?(
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
            // With few clips, two fractions may give the same size, since each class keeps at least one source.
            if let last = points.last, last.clips == point.clips, last.diverged == 0 { points.removeLast() }
            points.append(point)
        }
        self.points = points
        task = validation.training.labelTask
        heldOut = validation.pool.count
    }

    private static func point(
        _ fits: [CrossValidation.Fit], _ validation: CrossValidation, share: Double, failed: Int
    ) -> Point {
        let clips = Double(fits.reduce(0) { $0 + $1.trained }) / Double(max(1, fits.count))
        guard failed == 0 else {
            let training = Double(validation.pool.count) * Double(validation.folds - 1) / Double(validation.folds)
            let known = fits.isEmpty ? share * training : clips
            return Point(clips: known, share: share, diverged: failed + fits.count(where: \.isDiverged))
        }
        let result = CrossValidationResult(fits.sorted { $0.index < $1.index }, of: validation)
        return Point(
            clips: clips, share: share, score: result.metrics.score, interval: result.interval,
            deviation: result.summary.score.standardDeviation, diverged: fits.count(where: \.isDiverged))
    }
}

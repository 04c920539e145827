import PipelineFile
import Datasets
import Extraction
import FeatureCache
import Foundation
import Inference

/// `precision: fastest`: the fastest precision on this processor whose features and heads, on a small sample of the
/// data set, satisfy `PrecisionCheck.Result.isAsGood`. Decided once per cache, and stored in the recipe.
package struct PrecisionChoice: Sendable {
    package var pipeline: Pipeline
    package var configuration: ExtractionConfiguration
    package var workers: Int
    package var device = InferenceDevice.cpu
    package var version: String
    /// Minimum speed-up over `f32`.
    static let worthwhile = 1.1

    package init(pipeline: Pipeline, configuration: ExtractionConfiguration, workers: Int, version: String) {
        (self.pipeline, self.configuration) = (pipeline, configuration)
        (self.workers, self.version) = (workers, version)
    }

    /// The configuration with its precision, unchanged unless it is `fastest`. Throws as `Extractor.run`;
    /// `PrecisionCheckError` if there is nothing to compare.
    package func decided(
        in cache: CacheFile, isCancelled: @escaping @Sendable () -> Bool, report: (Extractor.Event) -> Void
    ) throws -> ExtractionConfiguration {
        guard configuration.choosesPrecision else { return configuration }
        var decided = configuration
        if let known = try configuration.stored(in: cache.extractions()),
            let precision = Precision(rawValue: known.record.precision)
        {
            decided.precision = precision
            return decided
        }
        decided.precision = try choose(isCancelled, report)
        return decided
    }

    private func choose(
        _ isCancelled: @escaping @Sendable () -> Bool, _ report: (Extractor.Event) -> Void
    ) throws -> Precision {
        let candidates = try candidates()
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        let fast = candidates.filter { $0.recipe != nil && $0.speed >= Self.worthwhile }.sorted { $0.speed > $1.speed }
        let clips = try pipeline.dataset.clips()
        var (chosen, found) = (Precision.f32, "")
        if try clips.count < Self.enoughForHeads && !device.isGPU() {
            (chosen, found) = try byFeatures(fast)
        } else if !fast.isEmpty {
            (chosen, found) = try byHeads(fast.map(\.precision), clips, isCancelled, report)
        }
        let speeds = candidates.map { "\($0.precision.rawValue) \(Self.text($0.speed)) times as fast as f32" }
        report(
            .note(
                "precision: fastest chose \(chosen.rawValue) for \(configuration.backbone.name) ("
                    + (speeds + [found]).filter { !$0.isEmpty }.joined(separator: "; ") + ")"))
        return chosen
    }

    /// A precision other than `f32`.
    private struct Candidate {
        let precision: Precision
        /// Speed-up over `f32`.
        let speed: Double
        /// Nil if it is too slow.
        var recipe: (recipe: ExtractionRecipe, weights: LoadedWeights)?
    }

    private var extractor: Extractor {
        var extractor = Extractor(
            name: pipeline.name, dataset: pipeline.dataset, configurations: [configuration], workers: workers,
            version: version)
        extractor.device = device
        return extractor
    }

    /// The supported precisions with the network's speed on one core.
    private func candidates() throws -> [Candidate] {
        let frames = try pipeline.dataset.clips().count * configuration.sampling.frames
        func recipe(_ precision: Precision) throws -> (recipe: ExtractionRecipe, weights: LoadedWeights) {
            var tried = configuration
            (tried.precision, tried.choosesPrecision) = (precision, false)
            return try extractor.recipe(tried) { _ in }
        }
        func rate(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> Double {
            try extractor.framesPerSecond(recipe, weights, seconds: 0.5, frames: frames)
        }
        let plain = try recipe(.f32)
        let exact = try rate(plain.recipe, plain.weights)
        let isGPU = try device.isGPU()
        return try Precision.allCases.compactMap { precision in
            guard precision != .f32, precision.isNative(onGPU: isGPU) else { return nil }
            if !isGPU, precision == .bf16, let speed = Precision.bf16Speed, speed < 0.8 {
                return Candidate(precision: precision, speed: speed)
            }
            let (recipe, weights) = try recipe(precision)
            if try isGPU && !extractor.takes(recipe, weights) { return nil }
            return try Candidate(precision: precision, speed: rate(recipe, weights) / exact, recipe: (recipe, weights))
        }
    }

    /// The first precision whose features of a few frames are similar enough.
    private func byFeatures(_ candidates: [Candidate]) throws -> (Precision, String) {
        var found: [String] = []
        for candidate in candidates {
            guard let (recipe, weights) = candidate.recipe else { continue }
            let cosine = try extractor.featureAgreement(recipe, weights)
            found.append("mean cosine of features to f32 " + String(format: "%.4f", cosine))
            if cosine >= PrecisionCheck.leastCosine { return (candidate.precision, found.joined(separator: ", ")) }
        }
        return (.f32, found.joined(separator: ", "))
    }

    /// The first precision whose features and heads are good enough, on at most a sixth of the clips and at most 96.
    private func byHeads(
        _ precisions: [Precision], _ clips: [Clip], _ isCancelled: @escaping @Sendable () -> Bool,
        _ report: (Extractor.Event) -> Void
    ) throws -> (Precision, String) {
        let count = min(96, max(min(clips.count, 4), clips.count / 6))
        let task = pipeline.dataset.task
        let classes = max(1, min(10, max(2, count / 4), Set(clips.flatMap { task.names(in: $0.label) }).count))
        var check = PrecisionCheck(pipeline: pipeline, workers: workers, version: version)
        (check.configuration, check.precisions, check.isThorough) = (configuration, precisions, false)
        check.device = device
        check.sample = ClipSample(classes: classes, clipsPerClass: count / classes)
        let result = try check.run(isCancelled: isCancelled) { event in
            switch event {
            case .extracted, .failed: report(event)
            case .hashing, .planned, .note: break
            }
        }
        let good = result.rows.dropFirst().filter(result.isAsGood).map(\.precision)
        let chosen = precisions.first(where: good.contains)
        let shown = result.rows.first { $0.precision == chosen ?? precisions[0] }
        return (chosen ?? .f32, shown.map(result.words) ?? "")
    }

    /// Minimum number of clips for a comparison of heads on a sixth of them.
    private static let enoughForHeads = 48

    static func text(_ number: Double) -> String { String(format: "%.1f", number) }
}

extension PrecisionCheck.Result {
    /// A short description of the results of a precision.
    fileprivate func words(_ row: PrecisionCheck.Row) -> String {
        var text = "mean cosine of features to f32 " + String(format: "%.4f", row.meanCosine)
        if let score = row.score, let exact = rows[0].score {
            let name = task == .multilabel ? "mean average precision of a head" : "head accuracy"
            text += String(format: ", \(name) %.0f %%, in f32 %.0f %%", 100 * score, 100 * exact)
        }
        return text + (isAsGood(row) ? "" : ": too far from f32") + ", on \(clips) clips"
    }
}

package enum PrecisionChoiceError: LocalizedError, Equatable {
    case shards

    package var errorDescription: String? {
        "`extract.precision: fastest` cannot be used with --shard: machines might choose different precisions. Run "
            + "`zoetrope extract --check` on one of them, and set the best precision in the pipeline."
    }
}

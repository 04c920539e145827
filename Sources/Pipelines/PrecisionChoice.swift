import Datasets
import Extraction
import FeatureCache
import Foundation
import Inference

/// `precision: fastest`: the quickest precision on this processor whose features and heads, on a small part of the data
/// set, are as good as those in `f32` (`PrecisionCheck.Result.isAsGood`). Decided once for a cache, and kept in the recipe.
public struct PrecisionChoice: Sendable {
    /// Whose data set it is.
    public var pipeline: Pipeline
    /// One of the pipeline's.
    public var configuration: ExtractionConfiguration
    /// Threads that extract.
    public var workers: Int
    /// What computes features.
    public var device = InferenceDevice.cpu
    /// Of the program.
    public var version: String
    /// How many times as fast as `f32` a precision must be to be worth anything.
    static let worthwhile = 1.1

    /// All parts, as they are.
    public init(pipeline: Pipeline, configuration: ExtractionConfiguration, workers: Int, version: String) {
        (self.pipeline, self.configuration) = (pipeline, configuration)
        (self.workers, self.version) = (workers, version)
    }

    /// The configuration with its precision; as it is where none is to be chosen.
    ///
    /// - Throws: as `Extractor.run`; `PrecisionCheckError` where there is nothing to compare.
    public func decided(
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
                "precision: fastest is \(chosen.rawValue) for \(configuration.backbone.name) here ("
                    + (speeds + [found]).filter { !$0.isEmpty }.joined(separator: "; ") + ")"))
        return chosen
    }

    /// A precision other than `f32`.
    private struct Candidate {
        let precision: Precision
        /// As a multiple of `f32`'s.
        let speed: Double
        /// Nil where it is not worth a closer look.
        var recipe: (recipe: ExtractionRecipe, weights: LoadedWeights)?
    }

    private var extractor: Extractor {
        var extractor = Extractor(
            name: pipeline.name, dataset: pipeline.dataset, configurations: [configuration], workers: workers,
            version: version)
        extractor.device = device
        return extractor
    }

    /// What this processor has instructions for, with the network's speed on one core.
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
            return try Candidate(
                precision: precision, speed: rate(recipe, weights) / exact, recipe: (recipe, weights))
        }
    }

    /// The first of them whose features of a few frames are as good.
    private func byFeatures(_ candidates: [Candidate]) throws -> (Precision, String) {
        var found: [String] = []
        for candidate in candidates {
            guard let (recipe, weights) = candidate.recipe else { continue }
            let cosine = try extractor.featureAgreement(recipe, weights)
            found.append("features' mean cosine to f32 " + String(format: "%.4f", cosine))
            if cosine >= PrecisionCheck.leastCosine { return (candidate.precision, found.joined(separator: ", ")) }
        }
        return (.f32, found.joined(separator: ", "))
    }

    /// The first of them whose features and heads are as good, on at most a sixth of the clips, and no more than 96.
    private func byHeads(
        _ precisions: [Precision], _ clips: [Clip], _ isCancelled: @escaping @Sendable () -> Bool,
        _ report: (Extractor.Event) -> Void
    ) throws -> (Precision, String) {
        let count = min(96, max(min(clips.count, 4), clips.count / 6))
        let classes = max(1, min(10, max(2, count / 4), Set(clips.map(\.label)).count))
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

    /// Clips from which on heads on a sixth of them say something.
    private static let enoughForHeads = 48

    static func text(_ number: Double) -> String { String(format: "%.1f", number) }
}

extension PrecisionCheck.Result {
    /// How good a precision is, in a few words.
    fileprivate func words(_ row: PrecisionCheck.Row) -> String {
        var text = "features' mean cosine to f32 " + String(format: "%.4f", row.meanCosine)
        if let accuracy = row.accuracy, let exact = rows[0].accuracy {
            text += String(format: ", a head's accuracy %.0f %%, in f32 %.0f %%", 100 * accuracy, 100 * exact)
        }
        return text + (isAsGood(row) ? "" : ": not as good as f32") + ", on \(clips) clips"
    }
}

/// Why a precision is not chosen.
public enum PrecisionChoiceError: LocalizedError, Equatable {
    case shards

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        "With `extract.precision: fastest` each machine would choose for itself, and parts might not fit together. See what "
            + "`zoetrope extract --check` says on one of them, and name that precision."
    }
}

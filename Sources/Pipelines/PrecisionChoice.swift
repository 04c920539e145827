import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork

/// `precision: fastest`: the quickest precision on this processor whose features and heads, on a small part of the data
/// set, are as good as those in `f32` (`PrecisionCheck.Result.isAsGood`). Decided once for a cache, and kept in the recipe.
public struct PrecisionChoice: Sendable {
    /// Whose data set it is.
    public var pipeline: Pipeline
    /// One of the pipeline's.
    public var configuration: ExtractionConfiguration
    /// Threads that extract.
    public var workers: Int
    /// Of the program.
    public var version: String
    /// How many times as fast as `f32` a precision must be to be worth anything.
    public static let worthwhile = 1.1

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
        let speeds = try speeds(report)
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        let fast = Precision.allCases.filter { (speeds[$0] ?? 0) >= Self.worthwhile && $0 != .f32 }
            .sorted { (speeds[$0] ?? 0) > (speeds[$1] ?? 0) }
        var (found, chosen) = ("", Precision.f32)
        if !fast.isEmpty {
            var check = PrecisionCheck(pipeline: pipeline, workers: workers, version: version)
            (check.configuration, check.precisions, check.showsLayers) = (configuration, fast, false)
            check.sample = try sample()
            let result = try check.run(isCancelled: isCancelled, report: report)
            let good = result.rows.dropFirst().filter(result.isAsGood).map(\.precision)
            chosen = fast.first(where: good.contains) ?? .f32
            let shown = result.rows.first { $0.precision == (chosen == .f32 ? fast[0] : chosen) }
            if let shown { found = result.words(shown) }
        }
        let rates = Precision.allCases.compactMap { precision in
            precision == .f32
                ? nil : speeds[precision].map { "\(precision.rawValue) \(Self.text($0)) times f32's speed" }
        }
        report(
            .note(
                "precision: fastest is \(chosen.rawValue) for \(configuration.backbone.name) here ("
                    + (rates + [found]).filter { !$0.isEmpty }.joined(separator: "; ") + ")"))
        return chosen
    }

    /// Of the network on one core, as a multiple of that in `f32`.
    private func speeds(_ report: (Extractor.Event) -> Void) throws -> [Precision: Double] {
        let extractor = Extractor(
            name: pipeline.name, dataset: pipeline.dataset, configurations: [configuration], workers: workers,
            version: version)
        let frames = try pipeline.dataset.clips().count * configuration.sampling.frames
        var rates: [Precision: Double] = [:]
        for precision in Precision.allCases where precision.isNative {
            var tried = configuration
            (tried.precision, tried.choosesPrecision) = (precision, false)
            let (recipe, weights) = try extractor.recipe(tried, report: report)
            rates[precision] = try FeatureExtractor.framesPerSecond(
                recipe, weights.packed, seconds: 0.5, frames: frames)
        }
        let exact = rates[.f32] ?? 1
        return rates.mapValues { $0 / exact }
    }

    /// At most a sixth of the clips, and no more than 96; but a few.
    private func sample() throws -> ClipSample {
        let clips = try pipeline.dataset.clips()
        let count = min(96, max(8, clips.count / 6))
        let classes = min(10, max(1, count / 4), Set(clips.map(\.label)).count)
        return ClipSample(classes: classes, clipsPerClass: max(2, count / max(1, classes)))
    }

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

import Datasets
import Digests
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import Threads
import Video

extension Extractor {
    /// Clips used for calibration, and frames per calibration batch.
    private static let calibrationClips = 16, calibrationBatch = 4
    /// Multiply-adds from which on calibration uses one frame per clip instead of two.
    private static let heavy = 10_000_000_000

    /// Adds the calibration to an `int8` recipe. If the cache has features of this recipe, their calibration is reused
    /// so that old and new features match; otherwise it is computed from frames of the data set.
    func calibrate(
        _ recipe: inout ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ session: Session
    ) throws {
        let stored = try session.cache.extractions().compactMap { try? ExtractionRecipe(json: $0.record.recipe) }
        let wanted = recipe.undecided
        let known = stored.filter { $0.undecided == wanted && $0.precisionAsked == recipe.precisionAsked }
        // An automatically selected precision matches the same precision chosen by the user.
        let other = recipe.precisionAsked == nil ? stored.filter { $0.undecided == wanted } : []
        if let same = (known + other).first {
            (recipe.calibration, recipe.precisionAsked) = (same.calibration, same.precisionAsked)
        } else if recipe.precision == .int8 {
            recipe.calibration = try calibration(recipe, weights, clips, session.report)
        }
    }

    /// The recipe of a configuration, calibrated on the data set. Throws as `run`.
    package func recipe(
        _ configuration: ExtractionConfiguration, report: (Event) -> Void
    ) throws -> (recipe: ExtractionRecipe, weights: LoadedWeights) {
        var (recipe, weights) = try check(configuration, report)
        if recipe.precision == .int8 { recipe.calibration = try calibration(recipe, weights, dataset.clips(), report) }
        return (recipe, weights)
    }

    /// Cosine similarity of each layer of a recipe's network to `f32`, on a few frames of the data set. Throws
    /// `VideoError` if no clip can be decoded; as `InferencePlan`.
    package func layerAgreement(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> [LayerAgreement] {
        let clips = try dataset.clips()
        let count = recipe.sampling.windowed == nil ? 4 : 1
        let examples = try samples(recipe, of: sample?.choose(from: clips, task: dataset.task) ?? clips, ofEach: 1)
            .prefix(count)
        return try LayerAgreement.layers(
            graph: recipe.graph(weights.source), output: recipe.tap, batch: examples.count, weights: weights.packed,
            normalization: recipe.input.normalization, arithmetic: recipe.arithmetic, pixels: examples.flatMap { $0 })
    }

    /// Mean cosine similarity of a recipe's features to those in `f32`, on a few frames of the data set. Throws
    /// `VideoError` if no clip can be decoded; as `InferencePlan`.
    package func featureAgreement(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> Double {
        try FeatureAgreement.mean(
            graph: recipe.graph(weights.source), output: recipe.tap, batch: Self.batch(recipe), weights: weights.packed,
            normalization: recipe.input.normalization, arithmetic: recipe.arithmetic,
            pixels: Self.batches(try samples(recipe, of: dataset.clips(), ofEach: 1), recipe))
    }

    /// Frames, or windows, per batch.
    private static func batch(_ recipe: ExtractionRecipe) -> Int {
        recipe.sampling.windowed == nil ? calibrationBatch : 1
    }

    private static func batches(_ samples: [[UInt8]], _ recipe: ExtractionRecipe) -> [[UInt8]] {
        samples.batches(of: batch(recipe)).map { $0.flatMap { $0 } }
    }

    /// - Throws: `VideoError` if no clip can be decoded.
    private func calibration(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ report: (Event) -> Void
    ) throws -> Calibration {
        let training = clips.filter { $0.split == .train }
        let graph = try recipe.graph(weights.source)
        let frames = try samples(
            recipe, of: training.isEmpty ? clips : training, ofEach: graph.multiplyAdds > Self.heavy ? 1 : 2)
        let known = CalibrationStore(recipe, frames)
        if let ranges = known.ranges {
            tell(ranges, recipe, report)
            return ranges.calibration
        }
        let kind = recipe.sampling.windowed == nil ? "frames" : "windows"
        report(.note("calibrating the activation ranges of int8 on \(frames.count) \(kind) of the data set"))
        // The calibration is part of the recipe: machines that share the work must compute the same, so the batch size
        // is fixed too.
        let calibrator = try Calibrator(
            graph: graph, output: recipe.tap, batch: Self.batch(recipe), weights: weights.packed,
            normalization: recipe.input.normalization)
        let calibration = try calibrator.calibration(of: Self.batches(frames, recipe))
        let ranges = CalibrationStore.Ranges(calibration: calibration, speed: calibrator.speed)
        known.keep(ranges)
        tell(ranges, recipe, report)
        return calibration
    }

    private func tell(_ ranges: CalibrationStore.Ranges, _ recipe: ExtractionRecipe, _ report: (Event) -> Void) {
        let calibration = ranges.calibration
        if let speed = ranges.speed, speed < 1 {
            report(.note(Self.slower(.int8, speed, of: "\(recipe.backbone) on these frames")))
        }
        if !calibration.kept.isEmpty {
            let subject = calibration.kept.count == 1 ? " of \(recipe.backbone) stays" : "s of \(recipe.backbone) stay"
            let names = calibration.kept.prefix(4).joined(separator: ", ") + (calibration.kept.count > 4 ? ", …" : "")
            report(.note("\(calibration.kept.count) layer\(subject) in f32: \(names)"))
        }
    }

    /// The warning that the chosen precision is no faster.
    static func slower(_ precision: Precision, _ speed: Double, of what: String) -> String {
        "\(precision.rawValue) has \(String(format: "%.1f", speed)) times the speed of f32 on this processor "
            + "(\(what)); it is used as configured. `precision: fastest` chooses the faster one"
    }

    /// The network's input, frames or windows, for a few clips spread evenly over the data set.
    private func samples(_ recipe: ExtractionRecipe, of clips: [Clip], ofEach frames: Int) throws -> [[UInt8]] {
        let root = dataset.root
        @Sendable func sampled(_ place: Int) -> Result<[[UInt8]], VideoError> {
            let path = clips[place].path
            return Result { try Self.samples(recipe, root + "/" + path, frames) }.mapError { VideoError($0, of: path) }
        }
        // Clips that cannot be decoded are replaced by their neighbours.
        let order = Self.spread(clips.count, into: Self.calibrationClips)
        var tried: [Result<[[UInt8]], VideoError>?] = Array(repeating: nil, count: order.count)
        try runJobs(count: min(Self.calibrationClips, order.count), workers: workers) {
            { sampled(order[$0]) }
        } consume: { (place: Int, result: Result<[[UInt8]], VideoError>) in
            tried[place] = result
        }
        var found: [[[UInt8]]] = []
        for (place, known) in zip(order, tried) where found.count < Self.calibrationClips {
            if let frames = try? (known ?? sampled(place)).get() { found.append(frames) }
        }
        if found.isEmpty, case .failure(let error)? = tried.first { throw error }
        return found.flatMap { $0 }
    }

    /// Of one clip: evenly spaced frames, or windows.
    private static func samples(_ recipe: ExtractionRecipe, _ path: String, _ count: Int) throws -> [[UInt8]] {
        var request = recipe.request(digest: try FileDigest.clip(path: path))
        let clip = try openClip(path: path)
        let differences = recipe.input.isDifference == true
        if request.sampling.windowed == nil {
            let images = try clip.images(request, differences: differences)
            return spread(images.count, into: count).prefix(count).map { images[$0] }
        }
        // One window in the middle is enough, because it has many frames.
        let windows = try clip.windows(request) ?? []
        request.part = .init(index: spread(windows.count, into: 1).first ?? 0, count: max(1, windows.count))
        return try clip.images(request, differences: differences)
    }

    /// All indices below `count`, those in the middle of `parts` equal parts first.
    static func spread(_ count: Int, into parts: Int) -> [Int] {
        let first = (0..<count).spread(parts)
        let chosen = Set(first)
        return first + (0..<count).filter { !chosen.contains($0) }
    }
}

/// Cache of int8 calibrations in the user's cache folder, by recipe and images: `extract` reuses what `--check`
/// determined. Disabled together with the tuning cache (`KernelTuning.standard`).
struct CalibrationStore {
    private let path: String

    init(_ recipe: ExtractionRecipe, _ images: [[UInt8]]) {
        var digest = Digest()
        // Part of the key; a new algorithm needs another text.
        digest.update(Data("by chance".utf8))
        digest.update(Data(recipe.undecided.json.utf8))
        for image in images { digest.update(image) }
        path = UserCache.folder + "/ranges/\(digest.hex()).json"
    }

    struct Ranges: Codable {
        let calibration: Calibration
        /// Speed-up over `f32`.
        let speed: Double?
    }

    var ranges: Ranges? {
        if KernelTuning.standard == nil { return nil }
        return UserCache.contents(path).flatMap { try? JSONDecoder().decode(Ranges.self, from: $0) }
    }

    /// A failure is ignored: calibration is then repeated.
    func keep(_ ranges: Ranges) {
        if KernelTuning.standard == nil { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        if let data = try? encoder.encode(ranges) { UserCache.write(data, to: path) }
    }
}

import Datasets
import FeatureCache
import NeuralNetwork
import Video

extension Extractor {
    /// Clips that eight-bit ranges are found on, and frames looked at together.
    private static let calibrationClips = 16, calibrationBatch = 4
    /// Multiplications from which on a network sees one frame of each clip, not two.
    private static let heavy = 10_000_000_000

    /// Completes a recipe in `int8` with what its bits stand for: as in the cache, where features of this recipe
    /// are there already, so that old and new features fit together; else found on frames of the dataset.
    func calibrate(
        _ recipe: inout ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ cache: CacheFile,
        _ report: (Event) -> Void
    ) throws {
        let stored = try cache.extractions().compactMap { try? ExtractionRecipe(json: $0.record.recipe) }
        let wanted = recipe.undecided
        let known = stored.filter { $0.undecided == wanted && $0.precisionAsked == recipe.precisionAsked }
        // What was chosen by trying is what is now asked for by name.
        let other = recipe.precisionAsked == nil ? stored.filter { $0.undecided == wanted } : []
        if let same = (known + other).first {
            (recipe.calibration, recipe.precisionAsked) = (same.calibration, same.precisionAsked)
        } else if recipe.precision == .int8 {
            recipe.calibration = try calibration(recipe, weights, clips, report)
        }
    }

    /// What a configuration comes to, its ranges of eight bits found on the dataset.
    ///
    /// - Throws: as `run`.
    public func recipe(
        _ configuration: ExtractionConfiguration, report: (Event) -> Void
    ) throws -> (recipe: ExtractionRecipe, weights: LoadedWeights) {
        var (recipe, weights) = try check(configuration, report)
        if recipe.precision == .int8 {
            recipe.calibration = try calibration(recipe, weights, dataset.clips(), report)
        }
        return (recipe, weights)
    }

    /// How alike each layer of a recipe's network is to what it gives in `f32`, on a few frames of the dataset.
    ///
    /// - Throws: `VideoError` where no clip can be decoded; as `InferencePlan`.
    public func layerAgreement(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> [LayerAgreement] {
        let clips = try dataset.clips()
        let frames = try sampleFrames(recipe, of: sample?.choose(from: clips) ?? clips, ofEach: 1).prefix(4)
        return try LayerAgreement.layers(
            graph: recipe.graph(), output: recipe.tap, batch: frames.count, weights: weights.packed,
            normalization: recipe.input.normalization, arithmetic: recipe.arithmetic, pixels: frames.flatMap(\.pixels))
    }

    /// The mean cosine of a recipe's features to those in `f32`, on a few frames of the dataset.
    ///
    /// - Throws: `VideoError` where no clip can be decoded; as `InferencePlan`.
    public func featureAgreement(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> Double {
        try FeatureAgreement.mean(
            graph: recipe.graph(), output: recipe.tap, batch: Self.calibrationBatch, weights: weights.packed,
            normalization: recipe.input.normalization, arithmetic: recipe.arithmetic,
            pixels: Self.batches(try sampleFrames(recipe, of: dataset.clips(), ofEach: 1)))
    }

    private static func batches(_ frames: [VideoFrame]) -> [[UInt8]] {
        stride(from: 0, to: frames.count, by: calibrationBatch).map { first in
            frames[first..<min(first + calibrationBatch, frames.count)].flatMap(\.pixels)
        }
    }

    /// - Throws: `VideoError` where none of the clips can be decoded.
    private func calibration(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ report: (Event) -> Void
    ) throws -> Calibration {
        let training = clips.filter { $0.split == .train }
        let graph = try recipe.graph()
        let frames = try sampleFrames(
            recipe, of: training.isEmpty ? clips : training, ofEach: graph.multiplyAdds > Self.heavy ? 1 : 2)
        let known = RangeStore(recipe, frames)
        if let ranges = known.ranges {
            tell(ranges, recipe, report)
            return ranges.calibration
        }
        report(.note("finding the ranges of eight bits on \(frames.count) frames of the data set"))
        // Ranges are part of the recipe: machines that share the work must find the same, so the batch is fixed too.
        let calibrator = try Calibrator(
            graph: graph, output: recipe.tap, batch: Self.calibrationBatch, weights: weights.packed,
            normalization: recipe.input.normalization)
        let calibration = try calibrator.calibration(of: Self.batches(frames))
        let ranges = RangeStore.Ranges(calibration: calibration, speed: calibrator.speed)
        known.keep(ranges)
        tell(ranges, recipe, report)
        return calibration
    }

    private func tell(_ ranges: RangeStore.Ranges, _ recipe: ExtractionRecipe, _ report: (Event) -> Void) {
        let calibration = ranges.calibration
        if let speed = ranges.speed, speed < 1 {
            report(.note(Self.slower(.int8, speed, of: "\(recipe.backbone) on these frames")))
        }
        if !calibration.kept.isEmpty {
            report(
                .note(
                    "\(calibration.kept.count) layers of \(recipe.backbone) stay in f32: "
                        + calibration.kept.prefix(4).joined(separator: ", ") + (calibration.kept.count > 4 ? ", …" : "")
                ))
        }
    }

    /// What is done as asked, though it does not pay.
    static func slower(_ precision: Precision, _ speed: Double, of what: String) -> String {
        "\(precision.rawValue) has \(String(format: "%.1f", speed)) times the speed of f32 on this processor (\(what)); it is "
            + "done as asked. `precision: fastest` chooses what is faster"
    }

    /// A few frames of clips spread evenly over the dataset.
    private func sampleFrames(
        _ recipe: ExtractionRecipe, of clips: [Clip], ofEach frames: Int
    ) throws -> [VideoFrame] {
        let root = dataset.root
        @Sendable func sampled(_ place: Int) -> Result<[VideoFrame], VideoError> {
            do {
                let path = root + "/" + clips[place].path
                let request = recipe.request(digest: try FileDigest.clip(path: path))
                let sampled = try openClip(path: path).sample([request])[0].frames
                return .success(Self.spread(sampled.count, into: frames).prefix(frames).map { sampled[$0] })
            } catch {
                return .failure(
                    error as? VideoError
                        ?? .unreadable(path: clips[place].path, reason: error.localizedDescription))
            }
        }
        // Clips that cannot be decoded give way to their neighbours.
        let order = Self.spread(clips.count, into: Self.calibrationClips)
        var tried: [Result<[VideoFrame], VideoError>?] = Array(repeating: nil, count: order.count)
        try runJobs(count: min(Self.calibrationClips, order.count), workers: workers) {
            { sampled(order[$0]) }
        } consume: { (place: Int, result: Result<[VideoFrame], VideoError>) in
            tried[place] = result
        }
        var found: [[VideoFrame]] = []
        for (place, known) in zip(order, tried) where found.count < Self.calibrationClips {
            if let frames = try? (known ?? sampled(place)).get() { found.append(frames) }
        }
        if found.isEmpty, case .failure(let error)? = tried.first { throw error }
        return found.flatMap { $0 }
    }

    /// All indices below `count`, those in the middle of `parts` equal parts first.
    static func spread(_ count: Int, into parts: Int) -> [Int] {
        let first = (0..<min(count, parts)).map { (2 * $0 + 1) * count / (2 * min(count, parts)) }
        let chosen = Set(first)
        return first + (0..<count).filter { !chosen.contains($0) }
    }
}

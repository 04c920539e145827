import Datasets
import FeatureCache
import NeuralNetwork
import Video

extension Extractor {
    /// Clips that eight-bit ranges are found on, and frames of each.
    private static let calibrationClips = 16, calibrationFrames = 2

    /// Completes a recipe in `int8` with what its bits stand for: as in the cache, where features of this recipe
    /// are there already, so that old and new features fit together; else found on frames of the dataset.
    func calibrate(
        _ recipe: inout ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ cache: CacheFile,
        _ report: (Event) -> Void
    ) throws {
        guard recipe.precision == .int8 else { return }
        let stored = try cache.extractions().lazy.compactMap { try? ExtractionRecipe(json: $0.record.recipe) }
        let wanted = recipe.uncalibrated
        if let known = stored.first(where: { $0.uncalibrated == wanted })?.calibration {
            recipe.calibration = known
            return
        }
        recipe.calibration = try calibration(recipe, weights, clips, report)
    }

    /// How alike each layer of a recipe's network is to what it gives in `f32`, on a few frames of the dataset.
    ///
    /// - Throws: `VideoError` where no clip can be decoded; as `InferencePlan`.
    public func layerAgreement(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> [LayerAgreement] {
        let clips = try dataset.clips()
        let frames = try sampleFrames(recipe, of: sample?.choose(from: clips) ?? clips, atMost: 4)
        return try LayerAgreement.layers(
            graph: recipe.graph(), output: recipe.tap, batch: frames.count, weights: weights.packed,
            normalization: recipe.input.normalization, arithmetic: recipe.arithmetic, pixels: frames.flatMap(\.pixels))
    }

    /// - Throws: `VideoError` where none of the clips can be decoded.
    private func calibration(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, _ clips: [Clip], _ report: (Event) -> Void
    ) throws -> Calibration {
        let training = clips.filter { $0.split == .train }
        let frames = try sampleFrames(recipe, of: training.isEmpty ? clips : training)
        report(.note("finding the ranges of eight bits on \(frames.count) frames of the data set"))
        // Ranges are part of the recipe: machines that share the work must find the same, however many cores they have.
        ArithmeticLibrary.setThreadsOfCallingThread(1)
        let graph = try recipe.graph()
        let calibrator = try Calibrator(
            graph: graph, output: recipe.tap, batch: recipe.batch, weights: weights.packed,
            normalization: recipe.input.normalization)
        let batches = stride(from: 0, to: frames.count, by: recipe.batch).map { first in
            frames[first..<min(first + recipe.batch, frames.count)].flatMap(\.pixels)
        }
        let calibration = try calibrator.calibration(of: batches)
        if !calibration.kept.isEmpty {
            report(
                .note(
                    "\(calibration.kept.count) layers of \(recipe.backbone) stay in f32: "
                        + calibration.kept.prefix(4).joined(separator: ", ") + (calibration.kept.count > 4 ? ", …" : "")
                ))
        }
        return calibration
    }

    /// A few frames of clips spread evenly over the dataset.
    private func sampleFrames(
        _ recipe: ExtractionRecipe, of clips: [Clip], atMost limit: Int = calibrationClips * calibrationFrames
    ) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        var failure: VideoError?
        // Clips that cannot be decoded give way to their neighbours.
        let order = Self.spread(clips.count, into: Self.calibrationClips)
        var taken = 0
        for place in order where taken < Self.calibrationClips && frames.count < limit {
            let path = dataset.root + "/" + clips[place].path
            do {
                let request = recipe.request(digest: try FileDigest.clip(path: path))
                let sampled = try openClip(path: path).sample([request])[0].frames
                frames += Self.spread(sampled.count, into: Self.calibrationFrames).prefix(Self.calibrationFrames)
                    .map { sampled[$0] }
                taken += 1
            } catch let error as VideoError {
                failure = error
            }
        }
        if let failure, frames.isEmpty { throw failure }
        return Array(frames.prefix(limit))
    }

    /// All indices below `count`, those in the middle of `parts` equal parts first.
    static func spread(_ count: Int, into parts: Int) -> [Int] {
        let first = (0..<min(count, parts)).map { (2 * $0 + 1) * count / (2 * min(count, parts)) }
        let chosen = Set(first)
        return first + (0..<count).filter { !chosen.contains($0) }
    }
}

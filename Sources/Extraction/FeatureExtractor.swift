import Backbones
import FeatureCache
import Foundation
import NeuralNetwork
import Video

/// Turns one clip after the other into features: sample, decode, crop, resize, infer. Belongs to the
/// thread that made it.
public final class FeatureExtractor {
    /// Shape of one frame's features.
    public var featureShape: [Int] { plan.outputShape }
    /// Numbers in the features of one frame.
    public var featureSize: Int { featureShape.reduce(1, *) }

    private let recipe: ExtractionRecipe
    private let plan: InferencePlan
    private let normalization: PixelNormalization

    /// Stands for "stop": thrown when `isCancelled` says so.
    public struct Cancelled: Error {
        /// The error.
        public init() {}
    }

    /// What a clip gave.
    public struct Result: Sendable {
        /// What probing found.
        public let details: VideoRecord.Details
        /// Features of the sampled frames.
        public let sequence: SequenceRecord
    }

    /// - Parameters:
    ///   - weights: shared with other extractors of the same recipe.
    ///   - threads: used inside the network; 1 where every core has its own extractor.
    /// - Throws: `PlanError`, `WeightsError`.
    public init(_ recipe: ExtractionRecipe, weights: PackedWeights, threads: Int) throws {
        ArithmeticLibrary.setThreadsOfCallingThread(threads)
        self.recipe = recipe
        plan = try InferencePlan(
            graph: recipe.graph(), output: recipe.tap, batch: Self.batch(for: recipe.sampling.frames), weights: weights)
        normalization = recipe.input.normalization
    }

    /// Equal parts of at most 16 frames: large enough to reuse each weight while it is in cache, small
    /// enough to keep activations there.
    static func batch(for frames: Int) -> Int {
        let parts = (frames + 15) / 16
        return (frames + parts - 1) / parts
    }

    /// SHA-256 of the clip's content, hex.
    ///
    /// - Throws: `VideoError`.
    public func digest(of path: String) throws -> String { try FileDigest.clip(path: path) }

    /// - Parameter digest: of the clip; seeds `start: random`.
    /// - Throws: `VideoError`, or `Cancelled`.
    public func extract(path: String, digest: String, isCancelled: () -> Bool = { false }) throws -> Result {
        let clip = try openClip(path: path)
        let sampled = try clip.sample(
            recipe.sampling, seed: UInt64(digest.prefix(16), radix: 16) ?? 0,
            framing: .centerSquare(size: recipe.imageSize))
        guard !sampled.frames.isEmpty else { throw VideoError.noFrames(path: path) }
        var features: [Float] = []
        features.reserveCapacity(sampled.frames.count * featureSize)
        for start in stride(from: 0, to: sampled.frames.count, by: plan.batch) {
            if isCancelled() { throw Cancelled() }
            let part = sampled.frames[start..<min(start + plan.batch, sampled.frames.count)]
            features += try plan.run(pixels: part.flatMap(\.pixels), normalization: normalization).values
        }
        let information = clip.information
        return Result(
            details: .init(
                width: information.width, height: information.height, frameCount: information.frameCount,
                frameRate: information.frameRate, duration: information.duration, codec: information.codec),
            sequence: SequenceRecord(
                frameIndices: sampled.frames.map(\.index), frameTimes: sampled.frames.map(\.time),
                decodeErrors: sampled.decodeErrors, features: features))
    }
}

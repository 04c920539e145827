import Backbones
import FeatureCache
import Foundation
import Inference
import Video

/// Turns one clip after the other into features of one or several recipes: sample, decode, crop, resize,
/// infer. A clip is decoded once, and resized once for each size. Belongs to the thread that made it.
public final class FeatureExtractor {
    private let networks: [Network]

    /// One recipe and what computes it.
    private struct Network {
        let recipe: ExtractionRecipe
        let network: any FrameNetwork
    }

    /// Stands for "stop": thrown when `isCancelled` says so.
    public struct Cancelled: Error {
        /// The error.
        public init() {}
    }

    /// What a clip gave.
    public struct Result: Sendable {
        /// What probing found.
        public let details: VideoRecord.Details
        /// Width of a pixel divided by its height.
        let pixelAspect: Double
        /// Features of the sampled frames, one sequence for each view asked for.
        public let sequences: [SequenceRecord]

        init(_ information: VideoInformation, _ sequences: [SequenceRecord]) {
            details = VideoRecord.Details(information)
            (pixelAspect, self.sequences) = (information.pixelAspect, sequences)
        }
    }

    /// - Parameters:
    ///   - recipes: each with its weights, which other extractors may share.
    ///   - threads: used inside the networks; 1 where every core has its own extractor.
    ///   - frames: how many all extractors like this will see, about; finding the fastest kernels must pay.
    ///   - tuning: what is known of kernels; nil leaves them to the library, so that the last bit is always the same.
    /// - Throws: `PlanError`, `WeightsError`.
    public init(
        _ recipes: [(recipe: ExtractionRecipe, weights: PackedWeights)], threads: Int, frames: Int? = nil,
        tuning: KernelTuning? = .standard
    ) throws {
        ArithmeticLibrary.setThreadsOfCallingThread(threads)
        networks = try recipes.map { recipe, weights in
            // What was measured is true for one thread.
            let plan = try InferencePlan(
                graph: recipe.graph(), output: recipe.tap, batch: recipe.batch, weights: weights,
                arithmetic: recipe.arithmetic, tuning: threads == 1 ? tuning : nil,
                pictures: frames)
            return Network(
                recipe: recipe, network: PlanNetwork(plan: plan, normalization: recipe.input.normalization))
        }
    }

    /// An extractor whose networks run elsewhere; other extractors may share them.
    init(_ networks: [(recipe: ExtractionRecipe, network: any FrameNetwork)]) {
        self.networks = networks.map { Network(recipe: $0.recipe, network: $0.network) }
    }

    /// How fast the network of a recipe is on one core of this machine, without decoding.
    ///
    /// - `seconds`: about how long to measure.
    /// - `frames`: how many there are to see, about; finding the fastest kernels must pay.
    /// - Throws: as `init`.
    public static func framesPerSecond(
        _ recipe: ExtractionRecipe, _ weights: PackedWeights, seconds: Double = 2, frames: Int? = nil
    ) throws -> Double {
        let network = try FeatureExtractor([(recipe, weights)], threads: 1, frames: frames).networks[0]
        return try framesPerSecond(network.network, recipe, seconds: seconds)
    }

    static func framesPerSecond(
        _ network: any FrameNetwork, _ recipe: ExtractionRecipe, seconds: Double
    ) throws -> Double {
        let picture = try recipe.graph().nodes[0].shape.size
        let pixels = (0..<network.batch * picture).map { UInt8(truncatingIfNeeded: $0 / 64 &* 37) }
        _ = try network.features(of: [pixels])
        let begin = ContinuousClock.now
        var (frames, taken) = (0, 0.0)
        while taken < seconds {
            _ = try network.features(of: [pixels])
            frames += network.batch
            taken = (ContinuousClock.now - begin) / .seconds(1)
        }
        return Double(frames) / taken
    }

    /// SHA-256 of the clip's content, hex.
    ///
    /// - Throws: `VideoError`.
    public func digest(of path: String) throws -> String { try FileDigest.clip(path: path) }

    /// One view of a clip under one recipe.
    public struct View: Sendable, Equatable {
        /// Place among the extractor's recipes.
        public let recipe: Int
        /// 0 is the plain view.
        public let view: Int

        /// All parts, as they are.
        public init(recipe: Int, view: Int) {
            self.recipe = recipe
            self.view = view
        }
    }

    /// - `digest`: of the clip; decides what is random.
    /// - `views`: what is wanted of this clip; nil for the plain view of all recipes.
    /// - `part`: which part of the sampled frames; a part of a short clip may be empty.
    /// - Throws: `VideoError`, or `Cancelled`.
    public func extract(
        path: String, digest: String, views: [View]? = nil, part: SampleRequest.Part = .init(),
        isCancelled: () -> Bool = { false }
    ) throws -> Result {
        let views = views ?? networks.indices.map { View(recipe: $0, view: 0) }
        let clip = try openClip(path: path)
        let requests = views.map { view in
            var request = networks[view.recipe].recipe.request(digest: digest, view: view.view)
            request.part = part
            return request
        }
        let distinct = Array(Set(requests))
        if distinct.contains(where: { $0.sampling.windowed != nil }) {
            return try extractWindows(clip, path: path, views, requests, distinct, isCancelled)
        }
        let sampled = Dictionary(uniqueKeysWithValues: zip(distinct, try clip.sample(distinct)))
        let sequences = try zip(views, requests).map { view, request in
            guard let frames = sampled[request], part.count > 1 || !frames.frames.isEmpty else {
                throw VideoError.noFrames(path: path)
            }
            return try sequence(view, of: frames.frames, decodeErrors: frames.decodeErrors, isCancelled)
        }
        return Result(clip.information, sequences)
    }

    func sequence(
        _ view: View, of frames: [VideoFrame], decodeErrors: Int, _ isCancelled: () -> Bool
    ) throws -> SequenceRecord {
        let network = networks[view.recipe]
        let pictures = network.recipe.shown(frames.map(\.pixels))
        return SequenceRecord(
            view: view.view, frameIndices: frames.map(\.index), frameTimes: frames.map(\.time),
            decodeErrors: decodeErrors, features: try features(of: pictures, network, isCancelled))
    }

    /// Features of pictures as the first recipe's network is shown them `[frame, feature]`, rounded as the cache would store
    /// them.
    func features(shown frames: [VideoFrame]) throws -> [Float] {
        try features(of: frames.map(\.pixels))
    }

    /// Features of pictures under the first recipe.
    func features(of pictures: [[UInt8]]) throws -> [Float] { try features(of: pictures, networks[0]) { false } }

    private func features(
        of pictures: [[UInt8]], _ network: Network, _ isCancelled: () -> Bool
    ) throws -> [Float] {
        let batch = network.network.batch
        var features: [Float] = []
        for start in stride(from: 0, to: pictures.count, by: batch) {
            if isCancelled() { throw Cancelled() }
            features += try network.network.features(of: Array(pictures[start..<min(start + batch, pictures.count)]))
        }
        return network.recipe.storedType.rounding(features)
    }

    /// Features of one window `[feature]`, rounded as the cache would store them.
    func features(of window: FrameWindow, recipe: Int = 0) throws -> [Float] {
        let network = networks[recipe]
        let pictures = network.recipe.shown(window.frames.map(\.pixels))
        return network.recipe.storedType.rounding(
            try network.network.features(of: pictures))
    }
}

extension VideoRecord.Details {
    init(_ information: VideoInformation) {
        self.init(
            width: information.width, height: information.height, frameCount: information.frameCount,
            frameRate: information.frameRate, duration: information.duration, codec: information.codec)
    }
}

extension ExtractionRecipe {
    /// What the network is shown of neighbouring pictures.
    public func shown(_ pictures: [[UInt8]]) -> [[UInt8]] {
        preprocessing.shown(pictures)
    }

    /// Frames that a network sees at once: equal parts of at most 16, or what the network is best with, large enough to
    /// reuse each weight while it is in the processor's cache; fewer where pictures are so large that their activations would fill the memory.
    public var batch: Int {
        // A window is several frames already.
        if sampling.windowed != nil { return 1 }
        let best = Backbone.named(backbone)?.framesAtOnce ?? 16
        let most = max(2, min(best, 1_000_000 / (imageSize * imageSize)))
        let parts = (sampling.frames + most - 1) / most
        return (sampling.frames + parts - 1) / parts
    }
}

import Backbones
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import Video

/// Computes features of clips for one or several recipes: samples, decodes, crops, resizes and runs the networks. A
/// clip is decoded once, and resized once per size. Belongs to the thread that created it.
package final class FeatureExtractor {
    private let networks: [Network]

    private struct Network {
        let recipe: ExtractionRecipe
        let network: any FrameNetwork
    }

    /// Thrown when `isCancelled` returns true.
    package struct Cancelled: Error { package init() {} }

    package struct Result: Sendable {
        package let details: VideoRecord.Details
        /// Pixel aspect ratio: width divided by height.
        let pixelAspect: Double
        /// Features of the sampled frames, one sequence per requested view.
        package let sequences: [SequenceRecord]

        init(_ information: VideoInformation, _ sequences: [SequenceRecord]) {
            details = VideoRecord.Details(information)
            (pixelAspect, self.sequences) = (information.pixelAspect, sequences)
        }
    }

    /// `recipes`: each with its weights, which other extractors may share. `threads`: used inside the networks; 1 if
    /// every core has its own extractor. `frames`: expected number for all such extractors, against which tuning must
    /// pay off. `tuning`: the tuning cache; nil leaves kernels to oneDNN, so that results are reproducible bit for bit.
    /// Throws `PlanError`, `WeightsError`.
    package init(
        _ recipes: [(recipe: ExtractionRecipe, weights: PackedWeights)], threads: Int, frames: Int? = nil,
        tuning: KernelTuning? = .standard
    ) throws {
        ArithmeticLibrary.setThreadsOfCallingThread(threads)
        networks = try recipes.map { recipe, weights in
            // Kernels were measured with one thread.
            let plan = try InferencePlan(
                graph: recipe.graph(weights.source), output: recipe.tap, batch: recipe.batch, weights: weights,
                arithmetic: recipe.arithmetic, tuning: threads == 1 ? tuning : nil, images: frames)
            return Network(recipe: recipe, network: PlanNetwork(plan: plan, normalization: recipe.input.normalization))
        }
    }

    /// With networks that run elsewhere and may be shared.
    init(_ networks: [(recipe: ExtractionRecipe, network: any FrameNetwork)]) {
        self.networks = networks.map { Network(recipe: $0.recipe, network: $0.network) }
    }

    /// Throughput of a recipe's network on one core, without decoding. `seconds`: approximate duration of the
    /// measurement. `frames`: expected number, against which tuning must pay off. Throws as `init`.
    package static func framesPerSecond(
        _ recipe: ExtractionRecipe, _ weights: PackedWeights, seconds: Double = 2, frames: Int? = nil
    ) throws -> Double {
        let network = try FeatureExtractor([(recipe, weights)], threads: 1, frames: frames).networks[0]
        return try framesPerSecond(network.network, recipe, seconds: seconds)
    }

    static func framesPerSecond(
        _ network: any FrameNetwork, _ recipe: ExtractionRecipe, seconds: Double
    ) throws -> Double {
        let imageElements = 3 * recipe.imageSize * recipe.imageSize * (recipe.sampling.windowed?.length ?? 1)
        let pixels = (0..<network.batch * imageElements).map { UInt8(truncatingIfNeeded: $0 / 64 &* 37) }
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

    /// SHA-256 of the clip's content, hex. Throws `VideoError`.
    package func digest(of path: String) throws -> String { try FileDigest.clip(path: path) }

    /// One view of a clip under one recipe.
    package struct View: Sendable, Equatable {
        /// Index of the extractor's recipe.
        package let recipe: Int
        /// 0 is the unaugmented view.
        package let view: Int

        package init(recipe: Int, view: Int) { (self.recipe, self.view) = (recipe, view) }
    }

    /// `digest`: of the clip; seeds random choices. `views`: the requested views; nil for the unaugmented view of all
    /// recipes. `part`: which part of the sampled frames; a part of a short clip may be empty. Throws `VideoError`, or
    /// `Cancelled`.
    package func extract(
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
        let images = network.recipe.preprocessing.shown(frames.map(\.pixels))
        return SequenceRecord(
            view: view.view, frameIndices: frames.map(\.index), frameTimes: frames.map(\.time),
            decodeErrors: decodeErrors, features: try features(of: images, network, isCancelled))
    }

    /// Features of images under the first recipe `[frame, feature]`, rounded as the cache would store them.
    func features(of images: [[UInt8]]) throws -> [Float] { try features(of: images, networks[0]) { false } }

    private func features(of images: [[UInt8]], _ network: Network, _ isCancelled: () -> Bool) throws -> [Float] {
        let features = try images.batches(of: network.network.batch).flatMap { batch in
            if isCancelled() { throw Cancelled() }
            return try network.network.features(of: batch)
        }
        return network.recipe.storedType.rounding(features)
    }

    /// Features of one window `[feature]`, rounded as the cache would store them.
    func features(of window: FrameWindow, recipe: Int = 0) throws -> [Float] {
        let network = networks[recipe]
        let images = network.recipe.preprocessing.shown(window.frames.map(\.pixels))
        return network.recipe.storedType.rounding(try network.network.features(of: images))
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
    /// Batch size: equal parts of at most 16 frames, or the network's own preference, large enough to reuse each weight
    /// while it is in the CPU cache; smaller for images so large that activations would exhaust the memory.
    package var batch: Int {
        // A window contains several frames already.
        if sampling.windowed != nil { return 1 }
        let best = Backbone.named(backbone)?.framesAtOnce ?? 16
        let most = max(2, min(best, 1_000_000 / (imageSize * imageSize)))
        let parts = (sampling.frames + most - 1) / most
        return (sampling.frames + parts - 1) / parts
    }
}

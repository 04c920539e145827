import Backbones
import FeatureCache
import Foundation
import NeuralNetwork
import Video

/// The `extract` part of a pipeline.
public struct ExtractionConfiguration: Sendable {
    /// Where the parameters come from.
    public enum Weights: Sendable, Equatable {
        /// Untrained, the same on every machine; named so wherever the features go.
        case random
        case file(String)

        /// As the pipeline names it.
        public var name: String {
            switch self {
            case .random: "random"
            case .file(let path): path
            }
        }
    }

    /// The network that sees the frames.
    public var backbone: Backbone
    /// Its parameters.
    public var weights: Weights
    /// Whose arithmetic the network follows.
    public var numerics: Numerics
    /// One of the backbone's taps.
    public var tap: String
    /// Side of the square picture the network sees, in pixels.
    public var imageSize: Int
    /// Which frames are looked at.
    public var sampling: Sampling

    /// A configuration; `imageSize` in pixels, `tap` one of the backbone's; its first
    /// numerics where none are named.
    public init(
        backbone: Backbone, weights: Weights, tap: String, imageSize: Int, sampling: Sampling, numerics: Numerics? = nil
    ) {
        self.backbone = backbone
        self.numerics = numerics ?? backbone.numerics[0]
        self.weights = weights
        self.tap = tap
        self.imageSize = imageSize
        self.sampling = sampling
    }

    /// The newest stored recipe that this configuration describes. Needs no weight file: where several
    /// files were used under one name, the newest extraction wins.
    public func stored(in extractions: [(id: Int64, record: ExtractionRecord)]) -> (
        id: Int64, record: ExtractionRecord
    )? {
        extractions.filter { _, record in
            guard let recipe = try? ExtractionRecipe(json: record.recipe) else { return false }
            return recipe == ExtractionRecipe(self, weights: recipe.weights)
                && (recipe.weights == "random") == (weights == .random)
        }
        .max { first, second in
            (first.record.weights == weights.name ? 1 : 0, first.id)
                < (second.record.weights == weights.name ? 1 : 0, second.id)
        }
    }
}

/// A backbone's weights, checked and hashed once, ready to be shared by all workers.
public struct LoadedWeights: Sendable {
    /// Parameters as plans take them.
    public let packed: PackedWeights
    /// SHA-256 of the file, hex; nil for random weights.
    public let digest: String?

    /// - Parameter parameters: what the file must hold.
    /// - Throws: `WeightsError` where the file cannot be read or does not fit.
    public init(_ weights: ExtractionConfiguration.Weights, parameters: [Graph.Parameter]) throws {
        switch weights {
        case .random:
            packed = PackedWeights(RandomParameters())
            digest = nil
        case .file(let path):
            let file = try openCheckpoint(path: path)
            do {
                try file.validate(for: parameters)
            } catch WeightsError.mismatch(let path, var mismatch) {
                mismatch.hint = Backbone.looking(like: file.shapes).map { "This looks like \($0.name)." }
                throw WeightsError.mismatch(file: path, mismatch)
            }
            packed = PackedWeights(file)
            digest = try FileDigest.sha256(path: path)
        }
    }
}

import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Video

/// What a run says of one video.
public struct Prediction: Sendable, Encodable {
    /// A class and how probable it is.
    public struct Entry: Sendable, Encodable {
        /// Class.
        public let label: String
        /// From 0 to 1.
        public let probability: Double
    }

    /// As it was named.
    public let video: String
    /// Frames, or windows of frames, that were looked at.
    public let frames: Int
    /// What they are: `frames` or `windows`.
    public let unit: String
    /// Most probable first.
    public let classes: [Entry]
    /// How much each frame counted, where the head pools by attention.
    public let attention: [Attention]?

    /// A frame and its weight.
    public struct Attention: Sendable, Encodable {
        /// Seconds.
        let time: Double
        /// From 0 to 1; all frames together 1.
        let weight: Double
    }
}

/// Joins the two stages for new videos: the run's recipe, then its head. A lone video gets all cores
/// inside the network.
public final class Predictor {
    private let head: Head
    private let recipe: ExtractionRecipe
    /// What is wrong with the backbone's weights, and what this processor does otherwise than the run says.
    public let warnings: [String]
    /// Heads whose probabilities are averaged.
    private let heads: [Head]
    private let extractor: FeatureExtractor
    /// Views whose probabilities are averaged.
    private let views: [FeatureExtractor.View]

    /// - `weights`: the backbone's weight file, where it is not where the run left it.
    /// - `isEnsemble`: whether the models of all folds are asked instead of the one that is kept.
    /// - Throws: `SequenceError`, `WeightsError`; `PredictorError` where the weights are not those of the run.
    public init(_ directory: RunDirectory, weights path: String? = nil, isEnsemble: Bool = false) throws {
        let networks = try LoadedRun.networks(of: directory, weights: path)
        (head, recipe) = (networks.head, networks.recipe)
        heads = isEnsemble ? try directory.foldHeads(like: head).map(\.head) : [head]
        let training = networks.configuration.training
        views = (0..<(training.averagesViews ? training.views : 1)).flatMap { view in
            networks.parts.indices.map { FeatureExtractor.View(recipe: $0, view: view) }
        }
        extractor = try FeatureExtractor(
            networks.parts.map { ($0.recipe, $0.weights.packed) },
            threads: ProcessInfo.processInfo.activeProcessorCount)
        warnings = RunDirectory.warnings(networks.configuration) + networks.parts.flatMap(\.warnings)
    }

    /// - Throws: `VideoError`, `SequenceError.noProbabilities`.
    public func predict(_ video: String) throws -> Prediction {
        let sequences = try joined(
            extractor.extract(path: video, digest: extractor.digest(of: video), views: views).sequences, of: video)
        var sums = [Double](repeating: 0, count: head.labels.count)
        for sequence in sequences {
            for head in heads {
                for (index, value) in try head.probabilities(of: sequence.features).enumerated() {
                    sums[index] += Double(value)
                }
            }
        }
        let entries = zip(head.labels, sums)
            .map { Prediction.Entry(label: $0, probability: $1 / Double(sequences.count * heads.count)) }
            .sorted { ($1.probability, $0.label) < ($0.probability, $1.label) }
        let attention = try heads[0].attention(of: sequences[0].features).map { weights in
            zip(sequences[0].frameTimes, weights).map { Prediction.Attention(time: $0, weight: Double($1)) }
        }
        return Prediction(
            video: video, frames: sequences[0].length, unit: recipe.sampling.unit, classes: entries,
            attention: attention)
    }

    /// Views of one network as they are; those of several side by side.
    private func joined(_ sequences: [SequenceRecord], of video: String) throws -> [SequenceRecord] {
        guard let recipes = recipe.joined else { return sequences }
        let sizes = try recipes.map { try $0.graph().featureShape(of: $0.tap).reduce(1, *) }
        return try stride(from: 0, to: sequences.count, by: recipes.count).map { first in
            try FeatureJoin.joined(
                Array(sequences[first..<first + recipes.count]), sizes: sizes,
                slowest: FeatureJoin.slowest(recipes.map(\.sampling.frames)), as: recipe.storedType
            ) { JoinError.noCommonTime(path: video) }
        }
    }

    /// The sampling of the plain view of a video.
    ///
    /// - Throws: `VideoError`.
    public func request(for video: String) throws -> SampleRequest {
        recipe.request(digest: try extractor.digest(of: video))
    }
}

/// Why a run cannot be applied to new videos.
public enum PredictorError: LocalizedError, Equatable {
    case otherWeights(file: String, run: String)
    case unknownRate(run: String)
    case ownClock(run: String)
    case unknownLabel(String, available: [String])
    case otherShape(run: String, network: [Int], head: [Int])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .otherWeights(let file, let run):
            "\(file) does not hold the weights that \(run) was trained with. Name the right file with --weights."
        case .otherShape(let run, let network, let head):
            "The head of \(run) reads features of shape \(head), but the network of its recipe gives \(network): the run's config.json was "
                + "changed. Train it again with `zoetrope sequence`."
        case .unknownRate(let run):
            "How many frames a second \(run) was trained on is not known: it was trained by an older version. Name them "
                + "with --frame-rate."
        case .ownClock(let run):
            "\(run) was trained on windows of frames, whose clock is part of the features. Leave --frame-rate out."
        case .unknownLabel(let label, let available):
            "The run knows no class \"\(label)\". It knows \(available.prefix(12).joined(separator: ", "))"
                + (available.count > 12 ? ", …" : "") + "."
        }
    }
}

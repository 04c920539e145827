import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Video

package struct Prediction: Sendable, Encodable {
    package struct Entry: Sendable, Encodable {
        package let label: String
        /// From 0 to 1.
        package let probability: Double
        /// With several labels a clip, the probability from which the label is predicted, and whether it is.
        package var threshold: Double?
        package var predicted: Bool?
    }

    package let video: String
    /// Number of sampled frames, or windows.
    package let frames: Int
    /// `frames` or `windows`.
    package let unit: String
    /// All classes or labels, most probable first.
    package let classes: [Entry]
    /// Attention weights of the frames, if the head has attention pooling.
    package let attention: [Attention]?

    package struct Attention: Sendable, Encodable {
        /// In seconds.
        let time: Double
        /// From 0 to 1; they sum to 1.
        let weight: Double
    }

    /// With several labels a clip, the predicted ones, most probable first; nil for one class a clip.
    package var labels: [Entry]? {
        classes.allSatisfy { $0.predicted != nil } ? classes.filter { $0.predicted == true } : nil
    }
}

/// Applies a run's recipe and head to new videos. A single video uses all cores inside the network.
package final class Predictor {
    private let head: Head
    private let recipe: ExtractionRecipe
    /// Problems with the backbone's weights, and deviations of this machine from the run's recipe.
    package let warnings: [String]
    /// Heads whose probabilities are averaged.
    private let heads: [Head]
    private let extractor: FeatureExtractor
    /// Augmented views whose probabilities are averaged.
    private let views: [FeatureExtractor.View]
    /// Feature sizes of the networks.
    private let sizes: [Int]

    /// - `weights`: the backbone's weight file, if it is not at the run's path.
    /// - `isEnsemble`: whether the models of all folds are averaged instead of using the final one.
    /// - Throws: `SequenceError`, `WeightsError`; `RecipeError` if the weights differ from the run's.
    package init(_ directory: RunDirectory, weights path: String? = nil, isEnsemble: Bool = false) throws {
        let run = try LoadedRun(directory, weights: path, allowsSeveral: true)
        (head, recipe) = (run.head, run.recipe)
        heads = isEnsemble ? try directory.foldHeads(like: head).map(\.head) : [head]
        let training = run.configuration.training
        views = (0..<(training.averagesViews ? training.views : 1)).flatMap { view in
            run.networks.indices.map { FeatureExtractor.View(recipe: $0, view: view) }
        }
        sizes = try run.networks.map { try $0.graph().featureShape(of: $0.recipe.tap).reduce(1, *) }
        extractor = try FeatureExtractor(
            run.networks.map { ($0.recipe, $0.weights.packed) }, threads: ProcessInfo.processInfo.activeProcessorCount)
        warnings = run.warnings
    }

    /// - Throws: `VideoError`, `SequenceError.noProbabilities`.
    package func predict(_ video: String) throws -> Prediction {
        let sequences = try joined(
            extractor.extract(path: video, digest: extractor.digest(of: video), views: views).sequences, of: video)
        var sums = [Double](repeating: 0, count: head.labels.count)
        for sequence in sequences {
            for head in heads {
                for (index, value) in try head.probabilities(of: sequence.features).enumerated() {
                    sums[index] += value
                }
            }
        }
        let entries = head.labels.indices
            .map { entry($0, probability: sums[$0] / Double(sequences.count * heads.count)) }
            .sorted { ($1.probability, $0.label) < ($0.probability, $1.label) }
        let attention = try heads[0].attention(of: sequences[0].features).map { weights in
            zip(sequences[0].frameTimes, weights).map { Prediction.Attention(time: $0, weight: Double($1)) }
        }
        return Prediction(
            video: video, frames: sequences[0].length, unit: recipe.sampling.unit, classes: entries,
            attention: attention)
    }

    /// With several heads, a label's threshold is the mean of theirs.
    private func entry(_ place: Int, probability: Double) -> Prediction.Entry {
        var entry = Prediction.Entry(label: head.labels[place], probability: probability)
        if head.task == .multilabel {
            let threshold = heads.reduce(0) { $0 + $1.thresholds[place] } / Double(heads.count)
            (entry.threshold, entry.predicted) = (threshold, probability >= threshold)
        }
        return entry
    }

    /// The views of one network unchanged, or the concatenated features of several.
    private func joined(_ sequences: [SequenceRecord], of video: String) throws -> [SequenceRecord] {
        guard let recipes = recipe.joined else { return sequences }
        return try stride(from: 0, to: sequences.count, by: recipes.count).map { first in
            try FeatureJoin.joined(
                Array(sequences[first..<first + recipes.count]), sizes: sizes,
                slowest: FeatureJoin.slowest(recipes.map(\.sampling.frames)), as: recipe.storedType
            ) { JoinError.noCommonTime(path: video) }
        }
    }

    /// The sampling request of a video's unaugmented view. Throws `VideoError`.
    package func request(for video: String) throws -> SampleRequest {
        recipe.request(digest: try extractor.digest(of: video))
    }
}

package enum PredictorError: LocalizedError, Equatable {
    case unknownRate(run: String)
    case ownClock(run: String)
    case unknownLabel(String, available: [String], DatasetConfiguration.Task = .classification)
    case otherShape(run: String, network: [Int], head: [Int])

    package var errorDescription: String? {
        switch self {
        case .otherShape(let run, let network, let head):
            "The head of \(run) reads features of shape \(head), but the backbone of its recipe computes \(network): "
                + "the run's config.json was changed. Train it again with `zoetrope sequence`."
        case .unknownRate(let run):
            "The frame rate that \(run) was trained on is unknown: it was trained by an older version. Set it "
                + "with --frame-rate."
        case .ownClock(let run):
            "\(run) was trained on windows of frames, whose frame rate is part of the recipe. Leave --frame-rate out."
        case .unknownLabel(let label, let available, let task):
            "The run has no \(task == .classification ? "class" : "label") \"\(label)\". "
                + "It has \(available.prefix(12).joined(separator: ", "))"
                + (available.count > 12 ? ", …" : "") + "."
        }
    }
}

import Backbones
import Extraction
import Foundation
import NeuralNetwork
import Training
import Video

/// Classifies videos with a published network's own classifier, without training.
package final class Classifier {
    package typealias Entry = Prediction.Entry

    /// One frame, or the middle frame of one window.
    package struct FramePrediction: Sendable, Encodable {
        /// In seconds.
        package let time: Double
        /// Most probable first; the requested number.
        package let classes: [Entry]
    }

    package struct Result: Sendable, Encodable {
        package let video: String
        /// Mean over frames or windows, most probable first; the requested number.
        package let classes: [Entry]
        package let moments: [FramePrediction]
    }

    private let extractor: FeatureExtractor
    private let labels: [String]
    /// Notes for the user, such as that the weights are untrained.
    package let notes: [String]

    /// Options with the meaning of the keys of the same names in a pipeline's `extract`.
    package struct Options: Sendable {
        /// Which of several networks in the weight file; nil selects the one that publishers evaluate.
        package var part: String?
        /// The implementation; nil follows the weights.
        package var numerics: Numerics?
        /// The input normalisation; nil follows the weights.
        package var input: InputConvention?
        /// The resize filter; nil follows the backbone.
        package var resize: ResizeFilter?

        package init() {}
    }

    /// - `path`: of the weight file, with the classifier's parameters.
    /// - `labels`: in the order of the classes; nil uses ImageNet's for 1,000 classes and Kinetics' for 400.
    /// - Throws: `ClassifierError`, `WeightsError`, `RecipeError`, `PlanError`.
    package init(
        _ backbone: Backbone, weights path: String, sampling: Sampling, labels: [String]? = nil,
        options: Options = Options()
    ) throws {
        let source: ExtractionConfiguration.Weights = path == "random" ? .random : .file(path, part: options.part)
        guard let shape = try? backbone.graph(imageSize: backbone.nativeImageSize).featureShape(of: "logits") else {
            throw ClassifierError.noClassifier(backbone.name)
        }
        var configuration = ExtractionConfiguration(
            backbone: backbone, weights: source, tap: "logits", imageSize: backbone.nativeImageSize, sampling: sampling,
            numerics: options.numerics, input: options.input, resize: options.resize)
        let weights = try LoadedWeights(source, for: backbone)
        if let grid = weights.grid, backbone.accepts(imageSize: grid * backbone.patch) {
            configuration.imageSize = grid * backbone.patch
        }
        let recipe = try ExtractionRecipe(configuration, weights)
        let count = shape.reduce(1, *)
        try weights.validate(for: recipe.graph(weights.source).parameters(for: "pooled"))
        do {
            try weights.validate(for: recipe.graph(weights.source).parameters(for: "logits"))
        } catch WeightsError.mismatch {
            throw ClassifierError.otherClassifier(file: path, backbone: backbone.name, classes: count)
        }
        if let labels, labels.count != count { throw ClassifierError.otherCount(labels: labels.count, classes: count) }
        self.labels = labels ?? (ClassLabels.published(count: count) ?? (0..<count).map { "class \($0)" })
        extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
        notes =
            (path == "random" ? ["the backbone is untrained (random), so its predictions are meaningless"] : [])
            + configuration.notes(on: weights, option: { "--\($0) \(Self.quoted($1))" }, part: { "--part \($0)" })
            + [weights.warning(name: path)].compactMap(\.self)
    }

    /// Quoted for a shell.
    private static func quoted(_ value: String) -> String { value.contains(" ") ? "'\(value)'" : value }

    /// `top`: number of listed classes. Throws `VideoError`; `ClassifierError` if a score is NaN or infinite.
    package func classify(_ video: String, top: Int) throws -> Result {
        let digest = try extractor.digest(of: video)
        let result = try extractor.extract(path: video, digest: digest, views: [.init(recipe: 0, view: 0)])
        let sequence = result.sequences[0]
        let count = labels.count
        let logits = Tensor(
            shape: [sequence.length, count], values: Array(sequence.features.prefix(sequence.length * count)))
        let probabilities = softmax(logits).values
        var means = [Double](repeating: 0, count: count)
        for (place, value) in probabilities.enumerated() {
            means[place % count] += Double(value) / Double(sequence.length)
        }
        guard means.allSatisfy(\.isFinite) else { throw ClassifierError.notFinite(video) }
        let moments = sequence.frameTimes.enumerated().map { row, time in
            FramePrediction(
                time: time, classes: entries(probabilities[row * count..<(row + 1) * count].map(Double.init), top))
        }
        return Result(video: video, classes: entries(means, top), moments: moments)
    }

    private func entries(_ probabilities: [Double], _ top: Int) -> [Entry] {
        probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }.prefix(top)
            .map { Entry(label: labels[$0], probability: probabilities[$0]) }
    }
}

enum ClassifierError: LocalizedError, Equatable {
    case noClassifier(String)
    /// A weight file whose classifier is missing or differs from the published one.
    case otherClassifier(file: String, backbone: String, classes: Int)
    case otherCount(labels: Int, classes: Int)
    case notFinite(String)

    var errorDescription: String? {
        switch self {
        case .noClassifier(let backbone):
            "\(backbone) is published without a classifier. Train a head on its features " + "(`zoetrope sequence`)."
        case .otherClassifier(let file, let backbone, let classes):
            "\(file) lacks the classifier of \(classes) classes of the published \(backbone). Name a published weight "
                + "file (`zoetrope weights list`), or train a head on the file's features (`zoetrope sequence`)."
        case .notFinite(let video):
            "The backbone computes NaN or infinity for \(video): its weights are damaged or belong to another "
                + "backbone. Check them with `zoetrope weights inspect`."
        case .otherCount(let labels, let classes):
            "The list has \(labels) labels, but the classifier has \(classes) classes. Write one label per line, in "
                + "the order of the classes."
        }
    }
}

import Backbones
import Extraction
import Foundation
import NeuralNetwork
import Training
import Video

/// What a published network's own classifier says of videos; nothing is trained.
public final class Classifier {
    /// A class and how probable it is.
    public struct Entry: Sendable, Encodable {
        /// Class.
        public let label: String
        /// From 0 to 1.
        public let probability: Double
    }

    /// One frame, or one window by its middle frame.
    public struct Moment: Sendable, Encodable {
        /// Seconds.
        public let time: Double
        /// Most probable first, as many as are asked for.
        public let classes: [Entry]
    }

    /// What was said of one video.
    public struct Result: Sendable, Encodable {
        /// As it was named.
        public let video: String
        /// Mean over frames or windows, most probable first, as many as are asked for.
        public let classes: [Entry]
        /// One after the other.
        public let moments: [Moment]
    }

    private let extractor: FeatureExtractor
    private let labels: [String]
    /// What the user should know, such as that the weights are untrained.
    public let notes: [String]

    /// What a user may override, as the keys of the same names in a pipeline's `extract` do.
    public struct Options: Sendable {
        /// Which of several networks in the weight file; nil takes the one that publishers evaluate.
        public var part: String?
        /// Whose arithmetic the network follows; nil follows the weights.
        public var numerics: Numerics?
        /// How pixels become the network's input; nil follows the weights.
        public var input: InputConvention?
        /// Filter of the resize; nil follows the backbone.
        public var resize: ResizeFilter?

        /// Everything as `extract` decides it.
        public init() {}
    }

    /// - `path`: of the weight file, with the classifier's own parameters.
    /// - `sampling`: which frames are looked at.
    /// - `labels`: in the order of the classes; nil takes ImageNet's where there are 1,000, and Kinetics' where 400.
    /// - Throws: `ClassifierError`, `WeightsError`, `RecipeError`, `PlanError`.
    public init(
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
        try weights.validate(for: recipe.graph().parameters(for: "pooled"))
        do { try weights.validate(for: recipe.graph().parameters(for: "logits")) } catch WeightsError.mismatch {
            throw ClassifierError.otherClassifier(file: path, backbone: backbone.name, classes: count)
        }
        if let labels, labels.count != count { throw ClassifierError.otherCount(labels: labels.count, classes: count) }
        self.labels = labels ?? (ClassLabels.published(count: count) ?? (0..<count).map { "class \($0)" })
        extractor = try FeatureExtractor(
            [(recipe, weights.packed)], threads: ProcessInfo.processInfo.activeProcessorCount)
        notes =
            (path == "random" ? ["the network is untrained (random): its classes mean nothing"] : [])
            + configuration.notes(
                on: weights, option: { "--\($0) \(Self.quoted($1))" }, part: { "--part \($0)" })
            + [weights.warning(name: path)].compactMap(\.self)
    }

    /// As a shell takes it.
    private static func quoted(_ value: String) -> String { value.contains(" ") ? "'\(value)'" : value }

    /// - `top`: classes that are listed.
    /// - Throws: `VideoError`; `ClassifierError` if a score is NaN or infinite.
    public func classify(_ video: String, top: Int) throws -> Result {
        let digest = try extractor.digest(of: video)
        let sequence = try extractor.extract(path: video, digest: digest, views: [.init(recipe: 0, view: 0)]).sequences[
            0]
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
            Moment(time: time, classes: entries(probabilities[row * count..<(row + 1) * count].map(Double.init), top))
        }
        return Result(video: video, classes: entries(means, top), moments: moments)
    }

    private func entries(_ probabilities: [Double], _ top: Int) -> [Entry] {
        probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }.prefix(top)
            .map { Entry(label: labels[$0], probability: probabilities[$0]) }
    }
}

/// Why a network cannot name classes.
enum ClassifierError: LocalizedError, Equatable {
    case noClassifier(String)
    /// A weight file whose classifier is another than the published one, or is missing.
    case otherClassifier(file: String, backbone: String, classes: Int)
    case otherCount(labels: Int, classes: Int)
    case notFinite(String)

    /// What happened, where, and what to do about it.
    var errorDescription: String? {
        switch self {
        case .noClassifier(let backbone):
            "\(backbone) is published without a classifier: it names no classes. Train a head on its features "
                + "(`zoetrope sequence`)."
        case .otherClassifier(let file, let backbone, let classes):
            "\(file) has no classifier of \(classes) classes, which the published \(backbone) has. Name a published weight file "
                + "(`zoetrope weights list`), or train a head on the file's features (`zoetrope sequence`)."
        case .notFinite(let video):
            "The network gives NaN or infinity for \(video): its weights are damaged or are not those of this network. Check them with "
                + "`zoetrope weights inspect`."
        case .otherCount(let labels, let classes):
            "The list has \(labels) labels, but the network knows \(classes) classes. Write one label a line, in their order."
        }
    }
}

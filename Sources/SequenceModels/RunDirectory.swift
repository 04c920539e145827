import Digests
import FeatureCache
import Files
import Foundation
import NeuralNetwork

/// A trained head on disk: `model.safetensors` and `config.json`, which holds all that is needed to
/// rebuild the head and to preprocess a new video.
public struct RunDirectory: Sendable {
    /// Where it is, or will be.
    public let path: String

    /// The content of `config.json`.
    public struct Configuration: Codable, Sendable {
        /// Of the run.
        public var name: String
        /// Of the program that trained it.
        public var version: String
        /// Classes in the order of the head's outputs.
        public var labels: [String]
        /// What the head reads.
        public var input: HeadConfiguration.Input
        /// How it was trained.
        public var training: TrainingConfiguration
        /// The recipe of the features, as JSON text, and its digest.
        public var recipe: String
        /// SHA-256 of the recipe, as in the cache.
        public var recipeDigest: String
        /// The backbone's weight file as the pipeline named it, or `random`.
        public var weights: String
        /// Path of the cache it was trained from.
        public var cache: String
        /// Name of the dataset in the cache.
        public var dataset: String
        /// Epoch whose weights are kept, from 1.
        public var bestEpoch: Int
        /// Folder of the data set's videos, as the pipeline named it; nil in runs of older versions.
        public var root: String?
        /// Sampled frames a second, the median of all clips; nil where clips have but one, and in older runs.
        public var sampledRate: Double?
        /// How it was cross-validated; nil where it was not.
        public var crossValidation: CrossValidationResult.Summary?
        /// What the class scores were divided by at the end, where `calibrate` asked for it; the last layer's weights
        /// hold it.
        public var temperature: Double?
        /// Paths of videos that were left out; nil where none were.
        public var excluded: [String]?
        /// True if the loss or a score became infinite or NaN; the model is that of the best epoch before.
        public var diverged: Bool?
        /// Clips of the pipeline that had no features when it was trained, by split; nil if there were none.
        public var missing: [MissingClips]?

        /// All parts, as they are.
        public init(
            name: String, version: String, labels: [String], input: HeadConfiguration.Input,
            training: TrainingConfiguration,
            recipe: String, recipeDigest: String, weights: String, cache: String, dataset: String, bestEpoch: Int
        ) {
            self.name = name
            self.version = version
            self.labels = labels
            self.input = input
            self.training = training
            self.recipe = recipe
            self.recipeDigest = recipeDigest
            self.weights = weights
            self.cache = cache
            self.dataset = dataset
            self.bestEpoch = bestEpoch
        }
    }

    /// What users of the model should know; empty if nothing.
    public static func warnings(_ configuration: Configuration) -> [String] {
        configuration.diverged == true
            ? [
                "training of \(configuration.name) diverged; the model is that of epoch \(configuration.bestEpoch), before that"
            ] : []
    }

    private static let meanName = "standardization.mean"
    private static let scaleName = "standardization.scale"

    /// The directory at `path`, which need not exist.
    public init(path: String) { self.path = path }

    private var modelPath: String { path + "/model.safetensors" }
    private var configurationPath: String { path + "/config.json" }
    var checkpointPath: String { path + "/last.safetensors" }

    /// Whether a run stands here already, be it unfinished.
    public var exists: Bool {
        [configurationPath, checkpointPath].contains(where: FileManager.default.fileExists)
    }

    /// - Throws: `SequenceError.runDirectory`.
    public func save(_ head: Head, _ configuration: Configuration) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try SafeTensorsWriter.write(Self.tensors(of: head), to: modelPath)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(configuration).write(to: URL(fileURLWithPath: configurationPath), options: .atomic)
        } catch {
            throw SequenceError.runDirectory(path: path, reason: "it cannot be written (\(error.localizedDescription))")
        }
    }

    /// Parameters, and the scaling of the features where there is one.
    static func tensors(of head: Head) -> [String: Tensor] {
        var tensors = head.parameters.tensors
        if let standardization = head.standardization {
            let shape = [standardization.mean.count]
            tensors[meanName] = Tensor(shape: shape, values: standardization.mean)
            tensors[scaleName] = Tensor(shape: shape, values: standardization.scale)
        }
        return tensors
    }

    /// - Throws: `SequenceError.runDirectory` or `WeightsError`.
    public func load() throws -> (head: Head, configuration: Configuration) {
        let data: Data
        do { data = try RegularFile.json(configurationPath) } catch {
            throw SequenceError.runDirectory(
                path: path,
                reason: error.problem == .missing
                    ? "there is no config.json. Train one with `zoetrope sequence`"
                    : "its config.json cannot be read: \(error.reason)")
        }
        let configuration: Configuration
        do {
            configuration = try JSONDecoder().decode(Configuration.self, from: data)
            try configuration.validate()
        } catch {
            throw SequenceError.runDirectory(path: path, reason: "in its config.json, \(InvalidValue(error).words)")
        }
        guard hexDigest(Data(configuration.recipe.utf8)) == configuration.recipeDigest else {
            throw SequenceError.runDirectory(path: path, reason: "the recipe in its config.json was changed")
        }
        let file = try SafeTensorsFile(path: modelPath)
        var standardization: Standardization?
        if let mean = try file.tensor(named: Self.meanName), let scale = try file.tensor(named: Self.scaleName) {
            let size = configuration.input.featureSize
            guard mean.count == size, scale.count == size, mean.values.areFinite, scale.values.areFinite else {
                throw SequenceError.runDirectory(path: path, reason: "the scaling of its features is damaged")
            }
            standardization = Standardization(mean: mean.values, scale: scale.values)
        }
        let graph = configuration.training.model.graph(configuration.input, classes: configuration.labels.count)
        try file.validate(for: graph.parameters)
        let head = try Head(
            configuration.training.model, labels: configuration.labels, input: configuration.input,
            standardization: standardization, from: file)
        guard head.parameters.areFinite else {
            throw SequenceError.runDirectory(path: path, reason: "its weights hold NaN or infinity")
        }
        return (head, configuration)
    }
}

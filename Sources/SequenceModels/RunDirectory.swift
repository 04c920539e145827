import Digests
import FeatureCache
import Files
import Foundation
import NeuralNetwork

/// A trained head on disk: `model.safetensors` and `config.json`, which has everything needed to rebuild the head and
/// to preprocess a new video.
package struct RunDirectory: Sendable {
    /// The folder, which need not exist.
    package let path: String

    /// The content of `config.json`.
    package struct Configuration: Codable, Sendable {
        package var name: String
        package var version: String
        /// Classes in the order of the head's outputs.
        package var labels: [String]
        package var input: HeadConfiguration.Input
        package var training: TrainingConfiguration
        /// The recipe of the features as JSON.
        package var recipe: String
        /// SHA-256 of the recipe, as in the cache.
        package var recipeDigest: String
        /// The backbone's weight file as named in the pipeline, or `random`.
        package var weights: String
        package var cache: String
        /// Name of the data set in the cache.
        package var dataset: String
        /// Epoch of the selected weights, from 1.
        package var bestEpoch: Int
        /// Folder of the data set's videos, as named in the pipeline; nil in runs of older versions.
        package var root: String?
        /// Sampled frames per second, the median of all clips; nil if clips have only one frame, and in older runs.
        package var sampledRate: Double?
        package var crossValidation: CrossValidationResult.Summary?
        /// Temperature of `calibrate`, which is already included in the last layer's weights.
        package var temperature: Double?
        /// With several labels a clip, the calibration of each, which is already included in the last layer's weights.
        package var calibration: PlattScaling?
        /// With several labels a clip, the probability from which each is predicted.
        package var thresholds: [Double]?
        /// Paths of excluded videos; nil if there are none.
        package var excluded: [String]?
        /// True if the loss or a score became infinite or NaN; the model is that of the best epoch before.
        package var diverged: Bool?
        /// Clips of the pipeline that had no features when it was trained, by split; nil if there were none.
        package var missing: [MissingClips]?

        package init(
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

    package static func warnings(_ configuration: Configuration) -> [String] {
        configuration.diverged == true
            ? [
                "training of \(configuration.name) diverged; the model is that of the earlier epoch "
                    + "\(configuration.bestEpoch)"
            ] : []
    }

    private static let meanName = "standardization.mean"
    private static let scaleName = "standardization.scale"

    package init(path: String) { self.path = path }

    func unusable(_ reason: String) -> SequenceError { .runDirectory(path: path, reason: reason) }

    private var modelPath: String { path + "/model.safetensors" }
    private var configurationPath: String { path + "/config.json" }

    /// Whether a run exists here, finished or not.
    package var exists: Bool {
        checkpoint.exists || FileManager.default.fileExists(atPath: configurationPath)
    }

    /// - Throws: `SequenceError.runDirectory`.
    package func save(_ head: Head, _ configuration: Configuration) throws {
        try writing {
            try SafeTensorsWriter.write(
                head.parameters.tensors.merging(Self.constants(of: head)) { own, _ in own }, to: modelPath)
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try encoder.encode(configuration).write(to: URL(fileURLWithPath: configurationPath), options: .atomic)
        }
    }

    /// Creates the folder and calls `body`, whose errors become those of the run. Throws `SequenceError.runDirectory`.
    package func writing(_ name: String = "it", _ body: () throws -> Void) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try body()
        } catch {
            throw unusable("\(name) cannot be written (\(error.localizedDescription))")
        }
    }

    /// The standardisation's tensors if there is one.
    static func constants(of head: Head) -> [String: Tensor] {
        guard let standardization = head.standardization else { return [:] }
        let shape = [standardization.mean.count]
        return [
            meanName: Tensor(shape: shape, values: standardization.mean),
            scaleName: Tensor(shape: shape, values: standardization.scale),
        ]
    }

    /// - Throws: `SequenceError.runDirectory` or `WeightsError`.
    package func load() throws -> (head: Head, configuration: Configuration) {
        let data: Data
        do { data = try RegularFile.json(configurationPath) } catch {
            throw error.problem == .missing
                ? .runDirectory(
                    path: path, reason: "there is no config.json", remedy: "Train one with `zoetrope sequence`")
                : unusable("its config.json cannot be read: \(error.reason)")
        }
        let configuration: Configuration
        do {
            configuration = try JSONDecoder().decode(Configuration.self, from: data)
            try configuration.validate()
        } catch {
            throw unusable("in its config.json, \(InvalidValue(error).words)")
        }
        guard hexDigest(Data(configuration.recipe.utf8)) == configuration.recipeDigest else {
            throw unusable("the recipe in its config.json was changed")
        }
        let file = try SafeTensorsFile(path: modelPath)
        var standardization: Standardization?
        if let mean = try file.tensor(named: Self.meanName), let scale = try file.tensor(named: Self.scaleName) {
            let size = configuration.input.featureSize
            guard mean.count == size, scale.count == size, mean.values.areFinite, scale.values.areFinite else {
                throw unusable("the scaling of its features is damaged")
            }
            standardization = Standardization(mean: mean.values, scale: scale.values)
        }
        let graph = configuration.training.model.graph(configuration.input, classes: configuration.labels.count)
        try file.validate(for: graph.parameters)
        var head = try Head(
            configuration.training.model, labels: configuration.labels, input: configuration.input,
            standardization: standardization, task: configuration.training.labelTask, from: file)
        if let thresholds = configuration.thresholds { head.thresholds = thresholds }
        guard head.parameters.areFinite else {
            throw unusable("its weights hold NaN or infinity")
        }
        return (head, configuration)
    }
}

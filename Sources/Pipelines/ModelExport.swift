import Backbones
import Extraction
import Files
import Foundation
import NeuralNetwork
import ONNX
import SequenceModels

/// Writes a run, or a part of it, as one ONNX model.
public struct ModelExport {
    private let run: LoadedRun
    private let directory: RunDirectory

    /// - `weights`: the backbone's weight file, where it is not where the run left it.
    /// - Throws: `SequenceError`, `WeightsError`; `PredictorError` where the weights are not those of the run.
    public init(_ directory: RunDirectory, weights path: String? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        self.directory = directory
    }

    /// What the model does otherwise than the run, and what is wrong with the weights.
    public var notes: [String] {
        var notes = run.warnings
        if run.recipe.precision != .f32 {
            notes.append(
                "the run computes features in \(run.recipe.precision.rawValue), the model in f32: probabilities differ a "
                    + "little")
        }
        let training = run.configuration.training
        if training.averagesViews, training.views > 1 {
            notes.append(
                "the run averages over \(training.views) views of each video, the model looks at the plain one")
        }
        return notes
    }

    /// What is to be written.
    public struct Options: Sendable {
        /// Which part of the run.
        public var part = NetworkWriter.Part.all
        /// How weights are stored.
        public var weights = ModelWriter.WeightFormat.f32
        /// Above so many bytes weights get a file of their own.
        public var inlineLimit = ModelWriter.inlineLimit
        /// Of the program that writes.
        public var version: String

        /// All of the run, in `f32`.
        public init(version: String) { self.version = version }
    }

    /// Writes the model, whole or not at all.
    ///
    /// - Returns: the files, with their sizes in bytes.
    /// - Throws: `ExportError`, `WeightsError`.
    public func write(to path: String, _ options: Options) throws -> [(path: String, bytes: Int)] {
        if run.recipe.input.isDifference == true, options.part != .head {
            throw ModelExportError.differences(run: directory.path)
        }
        let (graph, tap) = (try run.recipe.graph(), run.recipe.tap)
        let head = run.head
        let classifier = NetworkWriter.Classifier(
            graph: head.configuration.graph(head.input, classes: head.labels.count),
            source: NamedTensors(head.parameters.tensors),
            scaling: head.standardization.map { ($0.mean, $0.scale) }, isFramewise: head.configuration.kind == .frame,
            classes: head.labels.count)
        let encoder = NetworkWriter.Encoder(
            graph: graph, source: run.weights.source, tap: tap, imageSize: run.recipe.imageSize,
            normalization: run.recipe.input.normalization, storesHalves: run.recipe.storedType == .float16)
        var numbers = 0
        if options.part != .head { numbers += graph.parameters(for: tap).reduce(0) { $0 + $1.count } }
        if options.part != .backbone { numbers += head.parameters.tensors.values.reduce(0) { $0 + $1.count } }
        let model = try ModelWriter(
            path: path, weights: options.weights, weightBytes: numbers * (options.weights == .f16 ? 2 : 4),
            inlineLimit: options.inlineLimit)
        let writer = NetworkWriter(model)
        switch options.part {
        case .all: try writer.write(encoder, classifier)
        case .backbone: try writer.write(encoder)
        case .head: try writer.write(classifier)
        }
        try model.write(name: run.configuration.name, version: options.version, metadata: metadata(options))
        return [path, path + ".data"].compactMap { path in
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            return (attributes?[.size] as? Int).map { (path, $0) }
        }
    }

    private func metadata(_ options: Options) throws -> [String: String] {
        let (recipe, configuration) = (run.recipe, run.configuration)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func json(_ value: some Encodable) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        var metadata = ["part": options.part.rawValue, "run": configuration.name]
        if options.part != .head {
            metadata["backbone"] = recipe.backbone
            metadata["image_size"] = String(recipe.imageSize)
            metadata["weights"] = configuration.weights.fileName
            metadata["weights_digest"] = recipe.weights
            metadata["weights_licence"] =
                PublishedWeights.holding(digest: recipe.weights, file: configuration.weights)?.licence
                ?? (recipe.weights == "random" ? "none: random numbers" : "unknown")
        }
        // Features that the head reads are made by the recipe, whether it is in the file or not.
        metadata["recipe"] = recipe.json
        metadata["recipe_digest"] = recipe.digest
        metadata["max_frames"] = String(recipe.sampling.frames)
        if options.part != .backbone {
            metadata["labels"] = try json(run.head.labels)
            metadata["head"] = try json(run.head.configuration)
        }
        return metadata
    }
}

/// Why a run cannot leave as one model.
enum ModelExportError: LocalizedError, Equatable {
    case differences(run: String)

    /// What happened, where, and what to do about it.
    var errorDescription: String? {
        switch self {
        case .differences(let run):
            "\(run) sees how frames differ from the ones before them, which a model of frames does not hold. Write its head "
                + "(`--part head`) and give it features."
        }
    }
}

import Backbones
import Extraction
import Files
import Foundation
import NeuralNetwork
import ONNX
import SequenceModels

/// Exports a run, or a part of it, as one ONNX model.
package struct ModelExport {
    private let run: LoadedRun
    private let directory: RunDirectory

    /// - `weights`: the backbone's weight file, if it is not at the run's path.
    /// - Throws: `SequenceError`, `WeightsError`; `RecipeError` if the weights differ from the run's.
    package init(_ directory: RunDirectory, weights path: String? = nil) throws {
        run = try LoadedRun(directory, weights: path)
        self.directory = directory
    }

    /// Differences between model and run, and problems with the weights.
    package var notes: [String] {
        var notes = run.warnings
        if run.recipe.precision != .f32 {
            notes.append(
                "the run uses features in \(run.recipe.precision.rawValue), the model computes in f32: probabilities "
                    + "differ slightly")
        }
        let training = run.configuration.training
        if training.averagesViews, training.views > 1 {
            notes.append(
                "the run averages over \(training.views) augmented views of each video; the model uses the view "
                    + "without augmentation")
        }
        return notes
    }

    package struct Options: Sendable {
        package var part = NetworkWriter.Part.all
        package var weights = ModelWriter.WeightFormat.f32
        /// Size in bytes above which weights are written to a separate file.
        package var inlineLimit = ModelWriter.inlineLimit
        package var version: String

        /// The whole run, in `f32`.
        package init(version: String) { self.version = version }
    }

    /// Writes the model atomically. Returns the files with their sizes in bytes. Throws `ExportError`, `WeightsError`.
    package func write(to path: String, _ options: Options) throws -> [(path: String, bytes: Int)] {
        if run.recipe.input.isDifference == true, options.part != .head {
            throw ModelExportError.differences(run: directory.path)
        }
        let (graph, tap) = (try run.graph(), run.recipe.tap)
        let head = run.head
        let classifier = NetworkWriter.Classifier(
            graph: head.configuration.graph(head.input, classes: head.labels.count),
            source: NamedTensors(head.parameters.tensors), scaling: head.standardization.map { ($0.mean, $0.scale) },
            isFramewise: head.configuration.kind == .frame, classes: head.labels.count,
            isMultilabel: head.task == .multilabel)
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
                ?? (recipe.weights == "random" ? "none: random initialisation" : "unknown")
        }
        // The head's input features depend on the recipe, whether the backbone is in the file or not.
        metadata["recipe"] = recipe.json
        metadata["recipe_digest"] = recipe.digest
        metadata["max_frames"] = String(recipe.sampling.frames)
        if options.part != .backbone {
            metadata["labels"] = try json(run.head.labels)
            metadata["task"] = run.head.task.rawValue
            if run.head.task == .multilabel { metadata["thresholds"] = try json(run.head.thresholds) }
            metadata["head"] = try json(run.head.configuration)
        }
        return metadata
    }
}

/// Why a run cannot be exported as one model.
enum ModelExportError: LocalizedError, Equatable {
    case differences(run: String)

    var errorDescription: String? {
        switch self {
        case .differences(let run):
            "\(run) uses `input: difference`, which cannot be exported with the backbone. Export its head "
                + "(`--part head`)."
        }
    }
}

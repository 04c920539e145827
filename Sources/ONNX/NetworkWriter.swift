import Foundation
import NeuralNetwork

/// Writes a run's encoder and head as an ONNX model.
package struct NetworkWriter {
    private let model: ModelWriter

    package enum Part: String, Sendable, CaseIterable {
        /// Frames → probabilities.
        case all
        /// Frames → features.
        case backbone
        /// Features → probabilities.
        case head
    }

    package struct Encoder {
        let graph: Graph
        let source: any ParameterSource
        let tap: String
        let imageSize: Int
        let normalization: PixelNormalization
        let storesHalves: Bool

        /// `tap`: the output of `graph` with the features. `imageSize`: image side in pixels. `storesHalves`: whether
        /// features are rounded to half precision.
        package init(
            graph: Graph, source: any ParameterSource, tap: String, imageSize: Int, normalization: PixelNormalization,
            storesHalves: Bool
        ) {
            (self.graph, self.source, self.tap, self.imageSize) = (graph, source, tap, imageSize)
            (self.normalization, self.storesHalves) = (normalization, storesHalves)
        }
    }

    package struct Classifier {
        let graph: Graph
        let source: any ParameterSource
        let scaling: (mean: [Float], scale: [Float])?
        let isFramewise: Bool
        let classes: Int
        let isMultilabel: Bool

        /// `graph`: a sequence of features → `logits`. `scaling`: of the features: (x − mean) · scale. `isFramewise`:
        /// whether frames are classified separately and probabilities averaged. `isMultilabel`: whether the
        /// probabilities are those of several labels, by sigmoid, or of one class, by softmax.
        package init(
            graph: Graph, source: any ParameterSource, scaling: (mean: [Float], scale: [Float])?, isFramewise: Bool,
            classes: Int, isMultilabel: Bool = false
        ) {
            (self.graph, self.source, self.scaling, self.isFramewise) = (graph, source, scaling, isFramewise)
            (self.classes, self.isMultilabel) = (classes, isMultilabel)
        }
    }

    package init(_ model: ModelWriter) { self.model = model }

    /// Adds `frames` `uint8 [batch, frames, height, width, 3]`, for a video encoder `[batch, windows, frames, height,
    /// width, 3]`, and `mask` `bool [batch, frames]` → `probabilities` `[batch, classes]`.
    package func write(_ encoder: Encoder, _ classifier: Classifier) throws {
        let frames = input(encoder)
        let steps = mask(of: encoder.clipLength == nil ? "frames" : "windows")
        try probabilities(classifier, features(encoder, of: frames), steps)
    }

    /// Adds `frames` → `features` `[batch, frames, feature]`. Throws `WeightsError`, `ExportError`.
    package func write(_ encoder: Encoder) throws {
        let rows = try features(encoder, of: input(encoder))
        let size = try encoder.output.shape.size
        let name: ModelWriter.Dimension = encoder.clipLength == nil ? "frames" : "windows"
        model.output("features", rows, .float32, ["batch", name, .fixed(size)])
    }

    /// Adds `frames` → `features` with a fixed number of frames or windows: `[1, count, …]` → `[1, count, feature]`.
    package func write(_ encoder: Encoder, count: Int) throws {
        let shape = [1, count] + encoder.imageShape
        let frames = model.input("frames", .uint8, shape.map { .fixed($0) })
        let rows = try features(encoder, of: frames, count: count)
        model.output("features", rows, .float32, [1, .fixed(count), .fixed(try encoder.output.shape.size)])
    }

    /// Adds `features` `[batch, frames, feature]` and `mask` → `probabilities`. Throws `WeightsError`, `ExportError`.
    package func write(_ classifier: Classifier) throws {
        let size = classifier.graph.nodes[0].shape.size
        let features = model.input("features", .float32, ["batch", "frames", .fixed(size)])
        try probabilities(classifier, features, mask())
    }

    private func input(_ encoder: Encoder) -> ModelWriter.Value {
        let size = ModelWriter.Dimension.fixed(encoder.imageSize)
        guard let length = encoder.clipLength else {
            return model.input("frames", .uint8, ["batch", "frames", size, size, 3])
        }
        return model.input("frames", .uint8, ["batch", "windows", .fixed(length), size, size, 3])
    }

    private func mask(of rows: ModelWriter.Dimension = "frames") -> SequenceMask {
        SequenceMask(model.input("mask", .bool, ["batch", rows]), model)
    }

    // MARK: - Frames

    private func features(
        _ encoder: Encoder, of frames: ModelWriter.Value, count: Int? = nil
    ) throws -> ModelWriter.Value {
        let (size, node) = (encoder.imageSize, try encoder.output)
        let length = encoder.clipLength
        let images = model.node(
            "Reshape", [frames, model.integers([-1] + (length.map { [$0] } ?? []) + [size, size, 3])], name: "pictures")
        var graph = GraphWriter(
            graph: encoder.graph, source: encoder.source, prefix: "backbone.", steps: nil, model: model)
        graph.batch = count
        graph.inputWidth = model.target.hasPasses && length == nil ? try encoder.inputWidth : nil
        let input =
            try graph.inputWidth.map { try passed(images, encoder, width: $0, count) } ?? image(images, encoder)
        var rows = try graph.write(input: input, output: try encoder.outputID)
        if model.target.element != .float32 { rows = model.cast(rows, to: .float32, name: "features.wide") }
        if case .image = node.shape, !graph.hasChannelsLast(node.shape) {
            rows = model.node("Transpose", [rows], [.integers("perm", [0, 2, 3, 1])], name: "features.rows")
        }
        if case .clip = node.shape {
            rows = model.node("Transpose", [rows], [.integers("perm", [0, 2, 3, 4, 1])], name: "features.rows")
        }
        let shape = model.node("Shape", [frames], name: "frames.shape")
        let counts = model.node("Slice", [shape, model.integers([0]), model.integers([2])], name: "frames.counts")
        let target = model.node(
            "Concat", [counts, model.integers([node.shape.size])], [.integer("axis", 0)], name: "features.shape")
        let features = model.node("Reshape", [rows, target], name: "features.sequences")
        guard encoder.storesHalves else { return features }
        let halves = model.node("Cast", [features], [.integer("to", 10)], name: "features.halves")
        return model.node("Cast", [halves], [.integer("to", 1)], name: "features.rounded")
    }

    /// The network's input by this program's operator, with zero-padded channels.
    private func passed(
        _ images: ModelWriter.Value, _ encoder: Encoder, width: Int, _ count: Int?
    ) throws -> ModelWriter.Value {
        let normalization = encoder.normalization
        let scale = try model.constant("input.scale", shape: [3], normalization.scale)
        let offset = try model.constant("input.offset", shape: [3], normalization.offset)
        let rows = model.pass(
            "Pixels", [images, scale, offset],
            [.integer("width", width), .integer("reversed", normalization.isBlueFirst ? 1 : 0)], name: "input.rows",
            outputs: 1)[0]
        if let count { model.annotate(rows, [count, encoder.imageSize, encoder.imageSize, width]) }
        return rows
    }

    /// The network's input `[batch, channels, …]`.
    private func image(_ images: ModelWriter.Value, _ encoder: Encoder) throws -> ModelWriter.Value {
        let length = encoder.clipLength
        let numbers = model.node("Cast", [images], [.integer("to", 1)], name: "pictures.numbers")
        let order = length == nil ? [0, 3, 1, 2] : [0, 4, 1, 2, 3]
        let planes = model.node("Transpose", [numbers], [.integers("perm", order)], name: "pictures.planes")
        let normalization = encoder.normalization
        let channels = [3, 1, 1] + (length == nil ? [] : [1])
        let scale = try model.constant("input.scale", shape: channels, normalization.scale)
        let offset = try model.constant("input.offset", shape: channels, normalization.offset)
        let scaled = model.node("Mul", [planes, scale], name: "input.scaled")
        var image = model.node("Add", [scaled, offset], name: "input")
        if normalization.isBlueFirst {
            let order = model.integers([2, 1, 0])
            image = model.node("Gather", [image, order], [.integer("axis", 1)], name: "input.blue_first")
        }
        if model.target.element != .float32 {
            image = model.cast(image, to: model.target.element, name: "input.narrow")
        }
        return image
    }

    // MARK: - Probabilities

    private func probabilities(_ classifier: Classifier, _ features: ModelWriter.Value, _ steps: SequenceMask) throws {
        var rows = features
        if let (mean, scale) = classifier.scaling {
            let shift = try model.constant("standardization.mean", shape: [mean.count], mean)
            let factor = try model.constant("standardization.scale", shape: [scale.count], scale)
            let centred = model.node("Sub", [rows, shift], name: "standardization.centred")
            rows = model.node("Mul", [centred, factor], name: "standardization")
        }
        let graph = GraphWriter(
            graph: classifier.graph, source: classifier.source, prefix: "head.", steps: steps, model: model,
            isFramewise: classifier.isFramewise)
        guard let logits = classifier.graph.outputs["logits"] else {
            throw ExportError.unknownOutput("logits", available: classifier.graph.outputs.keys.sorted())
        }
        let scores = try graph.write(input: rows, output: logits)
        let name = classifier.isMultilabel ? "sigmoid" : "softmax"
        var values =
            classifier.isMultilabel
            ? model.node("Sigmoid", [scores], name: name)
            : model.node("Softmax", [scores], [.integer("axis", -1)], name: name)
        if classifier.isFramewise { values = graph.mean(values, steps, name + ".mean") }
        model.output("probabilities", values, .float32, ["batch", .fixed(classifier.classes)])
    }
}

extension NetworkWriter.Encoder {
    fileprivate var outputID: Graph.NodeID {
        get throws {
            guard let id = graph.outputs[tap] else {
                throw ExportError.unknownOutput(tap, available: graph.outputs.keys.sorted())
            }
            return id
        }
    }

    /// Frames per clip of a video encoder; nil for an image encoder.
    fileprivate var clipLength: Int? {
        if case .clip(_, let frames, _, _)? = graph.nodes.first?.shape { return frames }
        return nil
    }

    /// Shape of one input: `[height, width, 3]`, for a video encoder with frames first.
    package var imageShape: [Int] { (clipLength.map { [$0] } ?? []) + [imageSize, imageSize, 3] }

    /// Channels that the image is padded to for aligned GPU loads, if read by one convolution only, not of patches.
    fileprivate var inputWidth: Int {
        get throws {
            let needed = graph.ancestry(of: try outputID)
            let readers = needed.map { graph.nodes[$0.index] }.filter { $0.inputs.contains { $0.index == 0 } }
            if readers.count == 1, case .convolution(let options) = readers[0].operation, options.groups == 1,
                !options.isOfPatches
            {
                return 8
            }
            return 3
        }
    }

    fileprivate var output: Graph.Node { get throws { graph.nodes[try outputID.index] } }
}

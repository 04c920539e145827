import Foundation
import Inference
import NeuralNetwork
import ONNXMessages
import TestSupport
import Testing

@testable import ONNX

@Suite struct ImportTests {
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/"

    struct Goldens: Decodable {
        struct Network: Decodable, CustomTestStringConvertible {
            let file: String
            let features: [Float]
            var testDescription: String { file }
        }
        let size: Int
        let pixels: Data
        let networks: [Network]
    }

    static let goldens: Goldens = {
        let data = FileManager.default.contents(atPath: fixtures + "goldens.json") ?? Data()
        return try! JSONDecoder().decode(Goldens.self, from: data)
    }()

    static let imageNet = PixelNormalization(mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225])

    static func features(_ path: String, _ arithmetic: Arithmetic = .f32, output: String = "output") throws -> [Float] {
        let network = try ImportedNetwork(path: path)
        let plan = try InferencePlan(
            graph: network.graph(imageSize: goldens.size), output: output, batch: 1, weights: PackedWeights(network),
            arithmetic: arithmetic)
        return try plan.run(pixels: [UInt8](goldens.pixels), normalization: imageNet).values
    }

    static func error(_ values: [Float], _ expected: [Float]) -> Float {
        let largest = expected.reduce(0) { max($0, abs($1)) }
        return values.count == expected.count
            ? zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) } / largest : .infinity
    }

    @Test("models from PyTorch's exporters give onnxruntime's features", arguments: goldens.networks)
    func features(network: Goldens.Network) throws {
        let values = try Self.features(Self.fixtures + network.file + ".onnx")
        #expect(Self.error(values, network.features) <= 1e-5)
    }

    @Test(
        "sums, activations and normalisations are fused into the preceding layers", arguments: ["script", "dynamo"])
    func fused(kind: String) throws {
        func operations(_ name: String) throws -> [NeuralNetwork.Operation] {
            let network = try ImportedNetwork(path: Self.fixtures + "\(name)-\(kind).onnx")
            let graph = try network.graph(imageSize: 32)
            return graph.ancestry(of: try #require(graph.outputs["output"])).map { graph.nodes[$0.index].operation }
        }
        let tokens = try operations("tokens")
        #expect(tokens.count { if case .selfAttention = $0 { true } else { false } } == 2)
        #expect(tokens.count { if case .layerNormalization = $0 { true } else { false } } == 5)
        #expect(tokens.count { $0 == .activation(.gelu) } == 2)
        // From layer scale; sums with a bias were fused into the products.
        #expect(tokens.count { if case .batchNormalization = $0 { true } else { false } } == 2)
        let convolutions = try operations("convolutions")
        for activation in [Activation.silu, .hardSwish, .relu6, .gelu, .geluTanh, .hardSigmoid] {
            #expect(convolutions.contains(.activation(activation)), "\(activation)")
        }
    }

    @Test("an exported and imported model gives the same features", arguments: ["f32", "f16"])
    func roundTrip(format: String) throws {
        let folder = ScratchFolder()
        let path = folder.path + "/again.onnx"
        let network = try ImportedNetwork(path: Self.fixtures + "tokens-dynamo.onnx")
        let encoder = NetworkWriter.Encoder(
            graph: try network.graph(imageSize: 32), source: network, tap: "output", imageSize: 32,
            normalization: Self.imageNet, storesHalves: false)
        let model = try ModelWriter(
            path: path, weights: try #require(.init(rawValue: format)), weightBytes: 1 << 20, inlineLimit: 1 << 10)
        try NetworkWriter(model).write(encoder)
        try model.write(name: "again", version: "1", metadata: [:])
        let again = try ImportedNetwork(path: path)
        #expect(again.files == [path, path + ".data"])
        // Raw pixels are the input, and the file normalises them.
        let (scale, offset) = try #require(again.normalization)
        let plan = try InferencePlan(
            graph: again.graph(imageSize: 32), output: "features", batch: 1, weights: PackedWeights(again))
        let own = PixelNormalization(
            mean: zip(scale, offset).map { -$1 / $0 / 255 }, standardDeviation: scale.map { 1 / (255 * $0) })
        let values = try plan.run(pixels: [UInt8](Self.goldens.pixels), normalization: own).values
        let expected = try Self.features(Self.fixtures + "tokens-dynamo.onnx")
        #expect(Self.error(values, expected) <= (format == "f32" ? 1e-5 : 2e-2))
    }

    @Test("intermediate values can be tapped, and errors for unsupported ones name the nodes that need it")
    func taps() throws {
        let network = try ImportedNetwork(path: Self.fixtures + "pixels-script.onnx")
        let graph = try network.graph(imageSize: 32)
        #expect(network.outputs == ["output"])
        #expect(graph.outputs.count > 8)
        try network.check(output: "output", imageSize: 32)
        #expect(throws: ImportError.self) { try network.check(output: "none", imageSize: 32) }
    }

    // MARK: - Files by hand

    /// A model of these nodes on images of 8 pixels.
    static func write(
        _ nodes: [(String, [String], [String])], tensors: [(String, [Int], [Float])] = [], output: String = "y",
        to path: String, _ change: (inout ModelProto) -> Void = { _ in }
    ) throws {
        var model = ModelProto()
        model.irVersion = 8
        model.opsetImport = [.init(version: 17)]
        model.graph.input = [ModelWriter.information("x", .float32, [1, 3, 8, 8])]
        var result = ValueInfoProto()
        result.name = output
        model.graph.output = [result]
        model.graph.node = nodes.map { type, inputs, outputs in
            var node = NodeProto()
            (node.opType, node.name, node.input, node.output) = (type, outputs[0] + "-node", inputs, outputs)
            return node
        }
        model.graph.initializer = tensors.map { name, shape, values in
            var tensor = TensorProto(name, dataType: 1, shape: shape)
            tensor.rawData = values.withUnsafeBytes { Data($0) }
            return tensor
        }
        change(&model)
        try model.serializedData().write(to: URL(fileURLWithPath: path))
    }

    private func message(_ path: String, output: String = "y") -> String {
        do {
            let network = try ImportedNetwork(path: path)
            try network.check(output: output, imageSize: 8)
            return ""
        } catch { return error.localizedDescription }
    }

    @Test("unsupported operators are errors that name them; preceding values can still be tapped")
    func refusals() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        try Self.write([("Relu", ["x"], ["a"]), ("Det", ["a"], ["b"]), ("Relu", ["b"], ["y"])], to: path)
        #expect(message(path).contains("Det (b-node): this operation is not supported"))
        #expect(message(path).contains("Name an earlier value as `tap`"))
        #expect(message(path, output: "a") == "")
    }

    @Test("values that broadcast or concatenate across unsupported axes are rejected, not mistaken for channels")
    func acrossAxes() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        let ones = [Float](repeating: 1, count: 3)
        let mean = ("GlobalAveragePool", ["x"], ["g"])
        try Self.write(
            [mean, ("Flatten", ["g"], ["f"]), ("Add", ["f", "c"], ["y"])], tensors: [("c", [3, 1], ones)], to: path)
        #expect(message(path).contains("does not broadcast over the channels"), "\(message(path))")
        try Self.write(
            [mean, ("Flatten", ["g"], ["f"]), ("Relu", ["g"], ["r"]), ("Add", ["f", "r"], ["y"])], to: path)
        #expect(message(path).contains("across axes"), "\(message(path))")
        try Self.write([mean, ("Relu", ["g"], ["r"]), ("Concat", ["g", "r"], ["y"])], to: path) {
            $0.graph.node[2].attribute = [Attribute.integer("axis", 2).message]
        }
        #expect(message(path).contains("an axis other than channels"), "\(message(path))")
        try Self.write([mean, ("Mul", ["x", "g"], ["y"])], to: path)
        #expect(message(path) == "")
    }

    @Test("a damaged structure is an error that says what is wrong") func malformed() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        #expect(message(path).contains("it does not exist"))
        try folder.file("m.onnx", Data("no model".utf8))
        #expect(message(path).contains("cut off or damaged") || message(path).contains("no graph"))
        // A cycle: each node reads the other's output.
        try Self.write([("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"]), ("Relu", ["b"], ["y"])], to: path)
        #expect(message(path).contains("reads b, which no earlier node computes"))
        try Self.write([("Relu", ["x"], ["y"]), ("Relu", ["x"], ["y"])], to: path)
        #expect(message(path).contains("computed twice"))
        try Self.write([("Conv", ["x", "w"], ["y"])], tensors: [("w", [4, 3, 3, 3], [1, 2])], to: path)
        #expect(message(path).contains("holds fewer or more elements"))
        try Self.write(
            [("Conv", ["x", "w"], ["y"])], tensors: [("w", [4, 5, 1, 1], [Float](repeating: 1, count: 20))], to: path)
        #expect(message(path).contains("do not fit 3 channels"))
        try Self.write([("Relu", ["x"], ["y"])], to: path) {
            $0.graph.input[0].type.tensorType.shape.dim[1].dimValue = 4
        }
        #expect(message(path).contains("a single input of images with three channels"))
        try Self.write([("Relu", ["x"], ["y"])], to: path) {
            $0.graph.input[0].type.tensorType.shape.dim[0].dimValue = 16
        }
        #expect(message(path).contains("a single input of images"))
    }

    @Test(
        "external weights must be inside the model's folder",
        arguments: ["../secret", "/etc/passwd", "link/secret", "a/../../secret", ""])
    func outside(location: String) throws {
        let folder = ScratchFolder()
        try folder.file("secret", Data(count: 48))
        try folder.file("model/keep", Data())
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/model/link", withDestinationPath: folder.path)
        let path = folder.path + "/model/m.onnx"
        try Self.write([("Conv", ["x", "w"], ["y"])], tensors: [("w", [4, 3, 1, 1], [])], to: path) { model in
            model.graph.initializer[0].dataLocation = .external
            model.graph.initializer[0].externalData = [.init("location", location)]
        }
        #expect(message(path).contains("is stored outside of the model's folder"), "\(message(path))")
    }

    @Test("sizes are checked before allocation") func sizes() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        try Self.write([("Conv", ["x", "w"], ["y"])], tensors: [("w", [1 << 30, 1 << 30, 3, 3], [1])], to: path)
        #expect(message(path).contains("invalid shape"))
        try Self.write(
            [("ConstantOfShape", ["s"], ["c"]), ("Add", ["x", "c"], ["y"])], tensors: [("s", [2], [1e6, 1e6])], to: path
        )
        #expect(message(path).contains("its output is a constant of [1000000, 1000000]"), "\(message(path))")
    }

    @Test("activation functions are detected from what they compute", arguments: ScalarFunctionCase.all)
    func functions(function: ScalarFunctionCase) throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        try Self.write(function.nodes, tensors: function.constants.map { ($0.key, [], [$0.value]) }, to: path)
        let network = try ImportedNetwork(path: path)
        let graph = try network.graph(imageSize: 8)
        let output = try #require(graph.outputs["y"])
        #expect(
            graph.ancestry(of: output).map { graph.nodes[$0.index].operation }.contains(
                .activation(function.activation)))
    }
}

/// An activation as exporters decompose it.
struct ScalarFunctionCase: CustomTestStringConvertible, Sendable {
    let activation: Activation
    let nodes: [(String, [String], [String])]
    let constants: [String: Float]
    var testDescription: String { activation.rawValue }

    static let all: [ScalarFunctionCase] = [
        .init(activation: .silu, nodes: [("Sigmoid", ["x"], ["s"]), ("Mul", ["s", "x"], ["y"])], constants: [:]),
        .init(
            activation: .hardSwish,
            nodes: [
                ("Add", ["x", "three"], ["a"]), ("Clip", ["a", "zero", "six"], ["b"]), ("Mul", ["x", "b"], ["c"]),
                ("Div", ["c", "six"], ["y"]),
            ], constants: ["zero": 0, "three": 3, "six": 6]),
        .init(
            activation: .gelu,
            nodes: [
                ("Mul", ["x", "root"], ["a"]), ("Erf", ["a"], ["b"]), ("Add", ["b", "one"], ["c"]),
                ("Mul", ["half", "x"], ["d"]),
                ("Mul", ["d", "c"], ["y"]),
            ], constants: ["root": 0.70710677, "one": 1, "half": 0.5]),
        .init(
            activation: .quickGELU,
            nodes: [("Mul", ["x", "k"], ["a"]), ("Sigmoid", ["a"], ["b"]), ("Mul", ["x", "b"], ["y"])],
            constants: ["k": 1.702]),
        .init(activation: .relu6, nodes: [("Clip", ["x", "zero", "six"], ["y"])], constants: ["zero": 0, "six": 6]),
    ]
}

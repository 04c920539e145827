import Foundation
import NeuralNetwork
import ONNXMessages
import TestSupport
import Testing
@testable import ONNX

@Suite struct ModelWriterTests {
    /// A small network of a convolution and a linear layer.
    static func encoder() -> NetworkWriter.Encoder {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 8, width: 8))
        let window = Window(kernel: Extent(3), padding: Extent(1))
        let stem = builder.convolution("stem", image, Convolution(outChannels: 32, window: window))
        let pooled = builder.globalAveragePooling("pool", builder.activation(.relu, stem))
        let graph = builder.build(outputs: ["pooled": builder.linear("fc", pooled, out: 16)])
        return NetworkWriter.Encoder(
            graph: graph, source: RandomParameters(), tap: "pooled", imageSize: 8,
            normalization: PixelNormalization(mean: [0, 0, 0], standardDeviation: [1, 1, 1]), storesHalves: false)
    }

    static func write(to path: String, inlineLimit: Int, _ format: ModelWriter.WeightFormat = .f32) throws {
        let model = try ModelWriter(path: path, weights: format, weightBytes: 5000, inlineLimit: inlineLimit)
        try NetworkWriter(model).write(encoder())
        try model.write(name: "test", version: "1", metadata: [:])
    }

    @Test("weights above the limit are stored in a separate file, aligned to pages") func external() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/m.onnx"
        try Self.write(to: path, inlineLimit: 1000)
        let model = try ModelProto(serializedBytes: try Data(contentsOf: URL(fileURLWithPath: path)))
        let data = try Data(contentsOf: URL(fileURLWithPath: path + ".data"))
        let outside = model.graph.initializer.filter { $0.dataLocation == .external }
        #expect(outside.map(\.name) == ["backbone.stem.weight", "backbone.fc.weight"])
        for tensor in outside {
            let entries = Dictionary(uniqueKeysWithValues: tensor.externalData.map { ($0.key, $0.value) })
            #expect(entries["location"] == "m.onnx.data")
            let offset = try #require(entries["offset"].flatMap(Int.init))
            #expect(offset % 4096 == 0)
            let parameter = Graph.Parameter.named(String(tensor.name.dropFirst("backbone.".count)))
            let expected = RandomParameters().tensor(for: parameter).values
            #expect(entries["length"] == "\(expected.count * 4)")
            #expect(data[offset..<offset + expected.count * 4] == expected.withUnsafeBytes { Data($0) })
        }
        // After writing again with inline weights, the second file is deleted.
        try Self.write(to: path, inlineLimit: 100_000)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["m.onnx"])
    }

    /// Convolutions of each kind, pooling and attention.
    static func manyLayers() -> NetworkWriter.Encoder {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 16, width: 16))
        let window = Window(kernel: Extent(3), padding: Extent(1))
        let stem = builder.convolution("stem", image, Convolution(outChannels: 16, window: window))
        let pooled = builder.maxPooling("pool", builder.activation(.relu, stem), window)
        let apart = builder.convolution("apart", pooled, Convolution(outChannels: 16, window: window, groups: 16))
        let late = Window(kernel: Extent(3), stride: Extent(2), trailing: Extent(1))
        let uneven = builder.convolution("uneven", apart, Convolution(outChannels: 16, window: late))
        let tokens = builder.tokens("", uneven, TokenEmbedding(hasClassToken: true, grid: 8, positionsCoverClass: true))
        let attention = builder.tokenAttention("attn", builder.linear("qkv", tokens, out: 48), heads: 2)
        let mixed = builder.linear("proj", attention, out: 16)
        let graph = builder.build(outputs: ["pooled": builder.classToken("token", mixed)])
        return NetworkWriter.Encoder(
            graph: graph, source: RandomParameters(), tap: "pooled", imageSize: 16,
            normalization: PixelNormalization(mean: [0, 0, 0], standardDeviation: [1, 1, 1]), storesHalves: false)
    }

    @Test(
        "models for a GPU use the program's own operators for the requested layers",
        arguments: [
            (.passes, ["Conv": 3, "MaxPool": 1, "MultiHeadAttention": 1, "Product_float16": 0, "Pool_float16": 0]),
            // The projections of query, key, value and output; asymmetric padding stays.
            (.products, ["Conv": 1, "MaxPool": 0, "MultiHeadAttention": 1, "Product_float16": 6, "Pool_float16": 1]),
            (.attention, ["Conv": 1, "MultiHeadAttention": 0, "Product_float16": 4, "Attention_float16": 1]),
        ] as [(ModelWriter.CustomOperators, [String: Int])])
    func ownOperators(_ operators: ModelWriter.CustomOperators, _ expected: [String: Int]) throws {
        let folder = ScratchFolder()
        let writer = try ModelWriter(
            path: folder.path + "/m.onnx", weights: .f32, weightBytes: 5000, target: .onnxRuntime(.float16, operators))
        try NetworkWriter(writer).write(Self.manyLayers(), count: 2)
        try writer.write(name: "test", version: "1", metadata: [:])
        let model = try ModelProto(serializedBytes: try Data(contentsOf: URL(fileURLWithPath: writer.path)))
        let counts = Dictionary(grouping: model.graph.node, by: \.opType).mapValues(\.count)
        for (type, count) in expected { #expect(counts[type, default: 0] == count, "\(type) \(counts)") }
        // Filters are stored channels-last, and depthwise ones with rows and columns first.
        let shapes = Dictionary(uniqueKeysWithValues: model.graph.initializer.map { ($0.name, $0.dims) })
        if operators >= .products {
            #expect(shapes["backbone.stem.filters"] == [16, 3, 3, 8])
            #expect(shapes["backbone.apart.filters"] == [3, 3, 16])
        }
    }

    @Test("an existing file is kept if writing fails") func failure() throws {
        let folder = ScratchFolder()
        try folder.file("m.onnx", Data("before".utf8))
        #expect(throws: ExportError.self) {
            let model = try ModelWriter(
                path: folder.path + "/m.onnx", weights: .f32, weightBytes: 5000, inlineLimit: 1000)
            var encoder = Self.encoder()
            encoder = NetworkWriter.Encoder(
                graph: encoder.graph, source: NamedTensors([:]), tap: "none", imageSize: 8,
                normalization: encoder.normalization, storesHalves: false)
            try NetworkWriter(model).write(encoder)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["m.onnx"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/m.onnx")) == Data("before".utf8))
    }
}

extension Graph.Parameter {
    static func named(_ name: String) -> Graph.Parameter {
        ModelWriterTests.encoder().graph.parameters.first { $0.name == name }!
    }
}

import Foundation
import TestSupport
import Testing
@testable import Inference
@testable import NeuralNetwork
@testable import Training

@Suite struct DifferentiablePlanTests {
    struct Goldens: Decodable { let goldens: [Golden] }

    struct Golden: Decodable, CustomTestStringConvertible {
        let name: String
        let frozen: [String]
        let logits: [Float]
        let gradients, statistics: [String: [Float]]
        var testDescription: String { name + (frozen.isEmpty ? "" : ", \(frozen.joined(separator: ", ")) frozen") }

        func trains(_ parameter: Graph.Parameter) -> Bool { !frozen.contains { parameter.name.hasPrefix($0 + ".") } }
    }

    static let goldens: [Golden] = (fixture("training", in: Bundle.module) as Goldens).goldens

    /// The models of Tests/Parity/training_goldens.py.
    static func graph(_ name: String) -> Graph {
        var b = GraphBuilder()
        let image =
            name == "clip"
            ? b.input(.clip(channels: 3, frames: 4, height: 12, width: 10), name: "clip")
            : b.input(.image(channels: 3, height: 24, width: 20), name: "image")
        func conv(
            _ name: String, _ x: Graph.NodeID, _ out: Int, _ kernel: Int, _ stride: Int = 1, groups: Int = 1,
            bias: Bool = false, initializer: Graph.Initializer? = nil
        ) -> Graph.NodeID {
            let window = Window(kernel: Extent(kernel), stride: Extent(stride), padding: Extent(kernel / 2))
            return b.convolution(
                name, x, Convolution(outChannels: out, window: window, groups: groups, hasBias: bias),
                initializer: initializer)
        }
        func norm(_ name: String, _ x: Graph.NodeID, _ epsilon: Float = 1e-5) -> Graph.NodeID {
            b.batchNormalization(name, x, epsilon: epsilon)
        }
        func relu(_ x: Graph.NodeID) -> Graph.NodeID { b.activation(.relu, x) }
        func silu(_ x: Graph.NodeID) -> Graph.NodeID { b.activation(.silu, x) }
        var x = image
        switch name {
        case "residual":
            x = relu(norm("bn1", conv("conv1", x, 8, 7, 2)))
            x = b.maxPooling("maxpool", x, Window(kernel: Extent(3), stride: Extent(2), padding: Extent(1)))
            var y = relu(norm("layer1.0.bn1", conv("layer1.0.conv1", x, 12, 3, 2)))
            y = norm("layer1.0.bn2", conv("layer1.0.conv2", y, 12, 3))
            let identity = norm("layer1.0.downsample.1", conv("layer1.0.downsample.0", x, 12, 1, 2))
            x = b.globalAveragePooling("pool", relu(b.add("add", y, identity)))
        case "clip":
            func unit(_ name: String, _ x: Graph.NodeID, _ out: Int, _ window: Window) -> Graph.NodeID {
                norm(name + "bn", b.convolution(name, x, Convolution(outChannels: out, window: window)))
            }
            let time = TimeWindow(kernel: 3, padding: 1)
            x = relu(unit("stem", x, 8, Window(kernel: Extent(3), stride: Extent(2), padding: Extent(1), time: time)))
            let space = relu(unit("space", x, 6, Window(kernel: Extent(3), padding: Extent(1))))
            x = relu(b.add("add", x, unit("time", space, 8, Window(kernel: Extent(1), time: time))))
            let most = b.maxPooling(
                "max", x,
                Window(
                    kernel: Extent(3), stride: Extent(2), padding: Extent(1),
                    time: TimeWindow(kernel: 3, stride: 2, padding: 1)))
            let half = Window(kernel: Extent(1), stride: Extent(2), time: TimeWindow(kernel: 1, stride: 2))
            let down = b.convolution("down", x, Convolution(outChannels: 4, window: half, hasBias: true))
            x = b.globalAveragePooling("pool", b.concatenation("join", [most, down]))
        case "inception":
            let window = Window(kernel: Extent(3), padding: Extent(1))
            x = relu(conv("stem", x, 8, 3, 2, bias: true))
            let first = relu(norm("abn", conv("a", x, 4, 1), 1e-3))
            let mean = b.averagePooling("mean", x, window, countsPadding: true)
            let second = relu(norm("bbn", conv("b", mean, 6, 1), 1e-3))
            let third = b.maxPooling("max", x, window)
            x = b.globalAveragePooling("pool", b.concatenation("concat", [first, second, third]))
        case "mbconv":
            x = silu(norm("stembn", conv("stem", x, 8, 3, 2)))
            x = silu(norm("expandbn", conv("expand", x, 32, 1)))
            x = silu(norm("depthbn", conv("depth", x, 32, 5, 2, groups: 32)))
            var s = b.averagePooling("squeeze", x, Window(kernel: Extent(6, 5)), countsPadding: false)
            s = silu(conv("fc1", s, 4, 1, bias: true))
            s = b.activation(.sigmoid, conv("fc2", s, 32, 1, bias: true))
            x = norm("projectbn", conv("project", b.scaleChannels("scale", x, by: s), 8, 1))
            x = b.globalAveragePooling("pool", x)
        case "convnext", "convnextv2":
            x = b.convolution(
                "stem", x,
                Convolution(outChannels: 6, window: Window(kernel: Extent(4), stride: Extent(4)), hasBias: true))
            let y = b.layerNormalization(
                "block.norm", conv("block.conv_dw", x, 6, 7, groups: 6, bias: true), epsilon: 1e-6, spread: 0.2)
            var z = b.activation(.gelu, b.linear("block.mlp.fc1", y, out: 24))
            if name == "convnextv2" { z = b.responseNormalization("block.mlp.grn", z) }
            z = b.linear("block.mlp.fc2", z, out: 6)
            if name == "convnext" { z = b.channelScale("block.gamma", z) }
            x = b.globalAveragePooling("pool", b.add("add", z, x))
            x = b.layerNormalization("norm", x, epsilon: 1e-6, spread: 0.2)
        case "mobile":
            func hard(_ x: Graph.NodeID) -> Graph.NodeID { b.activation(.hardSwish, x) }
            x = b.activation(.relu6, conv("stem", x, 8, 3, 2, bias: true))
            x = hard(conv("expand", x, 16, 1, bias: true))
            x = hard(conv("depth", x, 16, 3, groups: 16, bias: true))
            var s = b.averagePooling("squeeze", x, Window(kernel: Extent(12, 10)), countsPadding: false)
            s = relu(conv("se.conv_reduce", s, 8, 1, bias: true, initializer: .fan(16)))
            s = b.activation(.hardSigmoid, conv("se.conv_expand", s, 16, 1, bias: true, initializer: .fan(8)))
            x = b.globalAveragePooling("pool", conv("project", b.scaleChannels("scale", x, by: s), 8, 1, bias: true))
        case "class", "registers", "latent": x = transformer(&b, name, x)
        default:
            x = relu(conv("b", relu(conv("a", x, 8, 3, bias: true)), 6, 3, bias: true))
            x = b.flatten("flatten", b.maxPooling("pool", x, Window(kernel: Extent(2), stride: Extent(2))))
        }
        return b.build(outputs: ["logits": b.linear("fc", x, out: 3)])
    }

    private static func transformer(_ b: inout GraphBuilder, _ name: String, _ image: Graph.NodeID) -> Graph.NodeID {
        let activation: Activation = ["class": .gelu, "registers": .quickGELU][name] ?? .geluTanh
        let window = Window(kernel: Extent(4), stride: Extent(4))
        func norm(_ name: String, _ x: Graph.NodeID) -> Graph.NodeID {
            b.layerNormalization(name, x, epsilon: 1e-6, spread: 0.2)
        }
        func scaled(_ place: Int, _ x: Graph.NodeID) -> Graph.NodeID {
            name == "registers" ? b.channelScale("blocks.0.ls\(place).gamma", x) : x
        }
        func mlp(_ name: String, _ x: Graph.NodeID, _ inner: Int) -> Graph.NodeID {
            b.linear(name + ".fc2", b.activation(activation, b.linear(name + ".fc1", x, out: inner)), out: 12)
        }
        var x = b.convolution("patch_embed.proj", image, Convolution(outChannels: 12, window: window, hasBias: true))
        let embedding = TokenEmbedding(
            hasClassToken: name == "class", registers: name == "registers" ? 2 : 0, grid: 4,
            positionsCoverClass: name == "class")
        x = b.tokens("", x, embedding)
        var y = b.linear("blocks.0.attn.qkv", norm("blocks.0.norm1", x), out: 36)
        y = b.linear("blocks.0.attn.proj", b.tokenAttention("attn", y, heads: 3), out: 12)
        x = b.add("add1", scaled(1, y), x)
        x = b.add("add2", scaled(2, mlp("blocks.0.mlp", norm("blocks.0.norm2", x), 48)), x)
        x = norm("norm", x)
        switch name {
        case "class": return b.classToken("first", x)
        case "registers": return b.tokenMean("mean", x, skipping: 2)
        default:
            x = b.latentAttention("attn_pool", b.linear("attn_pool.kv", x, out: 24), heads: 3)
            x = b.linear("attn_pool.proj", x, out: 12)
            return b.add("pool", mlp("attn_pool.mlp", norm("attn_pool.norm", x), 24), x)
        }
    }

    @Test("outputs, gradients and running statistics of a block equal PyTorch's", arguments: goldens)
    func blocks(golden: Golden) throws {
        let graph = Self.graph(golden.name)
        var parameters = try NetworkParameters(graph, from: RandomParameters(), trains: golden.trains)
        let plan = try DifferentiablePlan(graph: graph, output: "logits", parameters: parameters)
        let images = around("input", [4, 24 * 20 * 3], spread: 1)
        let pass = try plan.forward(images, parameters)
        #expect(relativeError(pass.output.values, golden.logits) < 1e-5)
        let slope = CrossEntropy()(pass.output, targets: [0, 2, 1, 1]).gradient
        var gradients = parameters.trained
        try plan.backward(pass, outputGradient: slope, parameters, into: &gradients)
        let tensors = gradients.tensors
        #expect(Set(tensors.keys) == Set(golden.gradients.keys))
        for (name, expected) in golden.gradients {
            let ours = try #require(tensors[name]).values
            #expect(ours.count == expected.count)
            // A bias before a normalisation has no effect: its gradient is rounding error.
            guard expected.contains(where: { abs($0) > 1e-6 }) else { continue }
            #expect(relativeError(ours, expected) < 1e-4, "\(name)")
        }
        plan.updateStatistics(pass, &parameters)
        for (name, expected) in golden.statistics {
            #expect(relativeError(try #require(parameters.fixed.tensors[name]).values, expected) < 1e-5, "\(name)")
        }
    }

    @Test("the last batch of an epoch may be smaller, and the number of threads changes nothing significant")
    func batches() throws {
        let graph = Self.graph("mbconv")
        let parameters = try NetworkParameters(graph, from: RandomParameters()) { $0.name.hasPrefix("fc.") }
        let plan = try DifferentiablePlan(graph: graph, output: "logits", parameters: parameters)
        let images = around("input", [4, 24 * 20 * 3], spread: 1)
        let whole = try plan.forward(images, parameters).output.values
        // Frozen normalisations do not depend on the batch.
        let part = Tensor(shape: [2, 24 * 20 * 3], values: Array(images.values.prefix(2 * 24 * 20 * 3)))
        #expect(relativeError(try plan.forward(part, parameters).output.values, Array(whole.prefix(6))) < 1e-6)
        let inference = try InferencePlan(
            graph: graph, output: "logits", batch: 4, weights: PackedWeights(parameters.source))
        let normalization = PixelNormalization(mean: [0, 0, 0], standardDeviation: [1, 1, 1])
        let pixels = (0..<4 * 24 * 20 * 3).map { UInt8(truncatingIfNeeded: $0 &* 97 / 13) }
        let input = Tensor(shape: [4, 24 * 20 * 3], values: pixels.map { Float($0) / 255 })
        let ours = try plan.forward(input, parameters).output.values
        #expect(relativeError(ours, try inference.run(pixels: pixels, normalization: normalization).values) < 1e-5)
    }

    @Test(
        "a wide 3×3 convolution gives the same result with the Winograd algorithm",
        arguments: [(64, 64, 8), (64, 128, 7), (80, 64, 9)])
    func winograd(inputs: Int, outputs: Int, side: Int) throws {
        let request = ConvolutionLayer.Request(
            name: "wide",
            options: Convolution(
                outChannels: outputs, window: Window(kernel: Extent(3), padding: Extent(1)), hasBias: true),
            input: ImageShape(.image(channels: inputs, height: side, width: side)),
            output: ImageShape(.image(channels: outputs, height: side, width: side)), shape: [outputs, inputs, 3, 3],
            batch: 3, trains: true, wantsInput: true)
        #expect(request.mayUseWinograd)
        let weight = around("weight", request.shape, spread: 0.1).values
        let bias = around("bias", [outputs], spread: 1).values
        let input = Matrix(around("input", [3, request.input.size], spread: 1))
        let slope = Matrix(around("slope", [3, request.output.size], spread: 1))
        let results = try [true, false].map { allowed -> [[Float]] in
            let layer = try ConvolutionLayer.make(request, Context(), allowsWinograd: allowed)
            if !allowed { #expect(!layer.usesWinograd) }
            let output = try layer.forward(input, weight: weight, bias: bias)
            var (ofWeight, ofBias) = (weight, bias)
            let ofInput = try layer.backward(
                slope, input: input, weight: weight, weightGradient: &ofWeight, biasGradient: &ofBias)
            return [Array(output.values), ofWeight, ofBias, try #require(ofInput.map { Array($0.values) })]
        }
        for (ours, direct) in zip(results[0], results[1]) { #expect(relativeError(ours, direct) < 1e-4) }
    }

    @Test(
        "a model is split at the single value that the trained part reads, and both halves give the result of the whole"
    )
    func boundary() throws {
        let graph = Self.graph("residual")
        let output = try #require(graph.outputs["logits"])
        func cut(_ name: String) -> String { graph[graph.boundary(output: output) { $0.name.hasPrefix(name) }].name }
        // The block's shortcut and its first convolution have the same input.
        #expect(cut("layer1.0.conv1") == "maxpool" && cut("layer1.0.conv2") == "maxpool")
        #expect(cut("conv1") == "image" && cut("fc") == "pool")
        let boundary = graph.boundary(output: output) { $0.name.hasPrefix("layer1.0.conv2") }
        let (front, back) = (graph.prefix(to: boundary), graph.suffix(from: boundary, output: "logits"))
        func run(_ graph: Graph, _ output: String, _ input: Tensor) throws -> Tensor {
            let parameters = try NetworkParameters(graph, from: RandomParameters()) { _ in false }
            return try DifferentiablePlan(graph: graph, output: output, parameters: parameters).forward(
                input, parameters
            ).output
        }
        let images = around("input", [2, 24 * 20 * 3], spread: 1)
        let joined = try run(back, "logits", run(front, "boundary", images))
        #expect(joined == (try run(graph, "logits", images)))
    }

    @Test("dropout zeroes a fraction p and scales the others, deterministically for a seed") func dropout() throws {
        var b = GraphBuilder()
        let image = b.input(.image(channels: 4, height: 8, width: 8), name: "image")
        let x = b.dropout("dropout", image, rate: 0.25)
        let graph = b.build(outputs: ["out": b.flatten("flatten", x)])
        let parameters = try NetworkParameters(graph, from: RandomParameters()) { _ in true }
        let plan = try DifferentiablePlan(graph: graph, output: "out", parameters: parameters)
        let ones = Tensor(shape: [8, 256], repeating: 1)
        let first = try plan.forward(ones, parameters, dropout: RandomParameters(seed: 1)).output.values
        #expect(Set(first) == [0, 1 / 0.75])
        #expect(abs(first.reduce(0, +) / 2048 - 1) < 0.1)
        #expect(try plan.forward(ones, parameters, dropout: RandomParameters(seed: 1)).output.values == first)
        #expect(try plan.forward(ones, parameters, dropout: RandomParameters(seed: 2)).output.values != first)
        #expect(try plan.forward(ones, parameters).output == ones)
    }
}

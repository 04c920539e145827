import Foundation
import Testing
import Training
@testable import Inference
@testable import NeuralNetwork

@Suite struct InferencePlanTests {
    static let plainPixels = PixelNormalization(mean: [0, 0, 0], standardDeviation: [1, 1, 1])

    static func run(_ graph: Graph, batch: Int = 2, images: Int = 2, seed: UInt64 = 0) throws -> Tensor {
        let plan = try InferencePlan(
            graph: graph, output: "out", batch: batch, weights: PackedWeights(RandomParameters(seed: seed)))
        guard case .image(_, let height, let width) = graph.nodes[0].shape else { return Tensor(shape: [0]) }
        let pixels = (0..<images * height * width * 3).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 / 7) }
        return try plan.run(pixels: pixels, normalization: plainPixels)
    }

    static func convolution(_ channels: Int, kernel: Int = 3, hasBias: Bool = false) -> Convolution {
        let window = Window(kernel: Extent(kernel), padding: Extent(kernel / 2))
        return Convolution(outChannels: channels, window: window, hasBias: hasBias)
    }

    @Test("a convolution equals the direct sum, including batch normalisation and activation")
    func reference() throws {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 5, width: 4))
        var x = builder.convolution("conv", image, Self.convolution(2, hasBias: true))
        x = builder.batchNormalization("bn", x, epsilon: 1e-3)
        x = builder.activation(.silu, x)
        let graph = builder.build(outputs: ["out": x])
        let output = try Self.run(graph, batch: 1, images: 1)
        #expect(output.shape == [1, 5, 4, 2])

        let values = Dictionary(
            uniqueKeysWithValues: graph.parameters.map { ($0.name, RandomParameters().tensor(for: $0).values) })
        let pixels = (0..<5 * 4 * 3).map { Double(UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 / 7)) / 255 }
        for (y, x, channel) in [(0, 0, 0), (2, 1, 1), (4, 3, 0), (3, 2, 1)] {
            var sum = Double(values["conv.bias"]![channel])
            for dy in -1...1 {
                for dx in -1...1 where (0..<5).contains(y + dy) && (0..<4).contains(x + dx) {
                    for input in 0..<3 {
                        let weight = values["conv.weight"]![((channel * 3 + input) * 3 + dy + 1) * 3 + dx + 1]
                        sum += Double(weight) * pixels[((y + dy) * 4 + x + dx) * 3 + input]
                    }
                }
            }
            let mean = Double(values["bn.running_mean"]![channel])
            let variance = Double(values["bn.running_var"]![channel])
            sum =
                (sum - mean) / (variance + 1e-3).squareRoot() * Double(values["bn.weight"]![channel])
                + Double(values["bn.bias"]![channel])
            let expected = sum / (1 + exp(-sum))
            #expect(abs(Double(output.values[(y * 4 + x) * 2 + channel]) - expected) < 1e-5)
        }
    }

    /// stem → two convolutions → (+ stem) → relu, where the sum may or may not be made in place.
    static func residual(readsBranchLater: Bool, activatesBranch: Bool) -> Graph {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 8, width: 8))
        let stem = builder.convolution("stem", image, convolution(8))
        let inner = builder.activation(.relu, builder.convolution("inner", stem, convolution(8)))
        let branch = builder.convolution("branch", inner, convolution(8))
        let other = activatesBranch ? builder.activation(.relu, branch) : branch
        var x = builder.activation(.relu, builder.add("sum", other, stem))
        if readsBranchLater { x = builder.add("again", x, stem) }
        return builder.build(outputs: ["out": x, "stem": stem, "branch": branch])
    }

    @Test("residual sums are correct whether or not they are fused", arguments: [true, false], [true, false])
    func residuals(readsBranchLater: Bool, activatesBranch: Bool) throws {
        var graph = Self.residual(readsBranchLater: readsBranchLater, activatesBranch: activatesBranch)
        let output = try Self.run(graph)
        let outputs = graph.outputs
        func value(_ name: String) throws -> [Float] {
            graph.outputs = ["out": outputs[name]!]
            return try Self.run(graph).values
        }
        let (stem, branch) = (try value("stem"), try value("branch"))
        for index in output.values.indices {
            let other = activatesBranch ? max(0, branch[index]) : branch[index]
            let expected = max(0, other + stem[index]) + (readsBranchLater ? stem[index] : 0)
            #expect(abs(output.values[index] - expected) < 1e-4)
        }
    }

    @Test("operations are fused if possible: a residual block has three steps") func fusion() throws {
        let graph = Self.residual(readsBranchLater: false, activatesBranch: false)
        let lowering = try Lowering(graph, output: graph.outputs["out"]!)
        #expect(lowering.steps.count == 3)
        let unfused = Self.residual(readsBranchLater: true, activatesBranch: true)
        // stem, inner, branch with its activation, two sums and the activation between them.
        #expect(try Lowering(unfused, output: unfused.outputs["out"]!).steps.count == 6)
    }

    @Test("a partial batch gives the same as a full one, and unused rows do not affect it")
    func partialBatch() throws {
        let graph = Self.residual(readsBranchLater: false, activatesBranch: false)
        let whole = try Self.run(graph, batch: 3, images: 3)
        let part = try Self.run(graph, batch: 3, images: 1)
        #expect(part.shape == [1, 8, 8, 8])
        #expect(part.values == Array(whole.values[0..<part.count]))
    }

    @Test("max, average (padding counted or not) and global pooling are correct") func pooling() throws {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 4, width: 4))
        let window = Window(kernel: Extent(3), stride: Extent(2), padding: Extent(1))
        let nodes = [
            "max": builder.maxPooling("max", image, window),
            "with": builder.averagePooling("with", image, window, countsPadding: true),
            "without": builder.averagePooling("without", image, window, countsPadding: false),
            "global": builder.globalAveragePooling("global", image),
        ]
        let pixels = (0..<48).map { UInt8($0 * 5) }
        func first(_ name: String) throws -> Float {
            let graph = builder.build(outputs: ["out": nodes[name]!])
            let plan = try InferencePlan(
                graph: graph, output: "out", batch: 1, weights: PackedWeights(RandomParameters()))
            return try plan.run(pixels: pixels, normalization: Self.plainPixels).values[0] * 255
        }
        // Channel 0 of the four pixels in the top left corner: 0, 15, 60, 75.
        #expect(abs(try first("max") - 75) < 1e-3)
        #expect(abs(try first("with") - 150.0 / 9) < 1e-3)
        #expect(abs(try first("without") - 37.5) < 1e-3)
        #expect(abs(try first("global") - 112.5) < 1e-3)
    }

    @Test("plans of several workers share one copy of the weights") func sharedWeights() throws {
        let graph = Self.residual(readsBranchLater: false, activatesBranch: false)
        let weights = PackedWeights(RandomParameters())
        _ = try InferencePlan(graph: graph, output: "out", batch: 2, weights: weights)
        let bytes = weights.bytes
        _ = try InferencePlan(graph: graph, output: "out", batch: 2, weights: weights)
        #expect(weights.bytes == bytes)
        #expect(bytes > 0)
    }

    @Test("an unknown output and an output inside the head are errors that name it") func errors() throws {
        let graph = Self.residual(readsBranchLater: false, activatesBranch: false)
        let weights = PackedWeights(RandomParameters())
        #expect(throws: PlanError.unknownOutput("pooled", available: ["branch", "out", "stem"])) {
            try InferencePlan(graph: graph, output: "pooled", batch: 1, weights: weights)
        }
        var builder = GraphBuilder()
        let mean = builder.sequenceMean("mean", builder.input(.sequence(4)))
        let head = builder.build(outputs: ["out": mean])
        #expect(throws: PlanError.self) { try InferencePlan(graph: head, output: "out", batch: 1, weights: weights) }
        #expect(throws: PlanError.self) { try TrainingPlan(graph: graph, output: "out") }
    }

    @Test("buffers with overlapping lifetimes never share memory; others do") func memoryPlanner() {
        var requests: [MemoryPlanner.Request] = []
        for index in 0..<40 {
            requests.append(.init(bytes: 100 + index * 37 % 400, lifetime: index...(index + index % 5)))
        }
        let (offsets, bytes) = MemoryPlanner.place(requests)
        for a in requests.indices {
            #expect(offsets[a] % 64 == 0)
            for b in requests.indices where b > a && requests[a].lifetime.overlaps(requests[b].lifetime) {
                #expect(offsets[a] + requests[a].bytes <= offsets[b] || offsets[b] + requests[b].bytes <= offsets[a])
            }
        }
        #expect(bytes < requests.reduce(0) { $0 + $1.bytes } / 3)
    }
}

@Suite struct SimultaneousPlansTests {
    /// Convolutions that no other test uses, so that oneDNN has no cached primitives for them.
    private static func graph(_ index: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.image(channels: 3, height: 9, width: 9))
        for layer in 0..<6 {
            let window = Window(kernel: Extent(3), padding: Extent(1))
            let options = Convolution(outChannels: 17 + 16 * layer + index, window: window, hasBias: true)
            x = builder.activation(.relu, builder.convolution("conv\(layer)", x, options))
        }
        return builder.build(outputs: ["out": x])
    }

    private static func features(_ graph: Graph, _ precision: Precision) throws -> Tensor {
        let weights = PackedWeights(RandomParameters())
        let normalization = InferencePlanTests.plainPixels
        let pixels = (0..<9 * 9 * 3).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 / 7) }
        let arithmetic: Arithmetic =
            switch precision {
            case .bf16: .bf16
            case .int8:
                .int8(
                    try Calibrator(
                        graph: graph, output: "out", batch: 1, weights: weights, normalization: normalization
                    ).calibration(of: [pixels], goal: -1))
            default: .f32
            }
        let plan = try InferencePlan(graph: graph, output: "out", batch: 1, weights: weights, arithmetic: arithmetic)
        return try plan.run(pixels: pixels, normalization: normalization)
    }

    @Test("plans of several precisions that threads build concurrently compute correct results")
    func simultaneous() throws {
        let precisions = [Precision.f32, .bf16, .int8].filter(\.isNative)
        let graphs = (0..<40).map(Self.graph)
        let features = try onAllCores(graphs.count * precisions.count) {
            { try Self.features(graphs[$0 / precisions.count], precisions[$0 % precisions.count]) }
        }
        for index in graphs.indices {
            for (place, precision) in precisions.enumerated() {
                let (exact, own) = (features[index * precisions.count], features[index * precisions.count + place])
                let cosine = FeatureAgreement.cosines(exact, own).min() ?? 0
                #expect(cosine > 0.99, "\(precision) of graph \(index): \(cosine)")
            }
        }
    }
}

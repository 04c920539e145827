import Foundation
import TestSupport
import Testing
@testable import Inference
@testable import NeuralNetwork

@Suite struct KernelTuningTests {
    /// Three convolutions with windows of 3×3, a sum, a pooling in between.
    static let graph = graph(.relu)

    static func graph(_ activation: Activation) -> Graph {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 34, width: 34))
        let stem = builder.activation(activation, builder.convolution("stem", image, convolution(32)))
        let inner = builder.activation(activation, builder.convolution("inner", stem, convolution(32)))
        let branch = builder.convolution("branch", inner, convolution(32))
        let sum = builder.activation(activation, builder.add("sum", branch, stem))
        let pooled = builder.maxPooling("pool", sum, Window(kernel: Extent(2), stride: Extent(2)))
        return builder.build(outputs: ["out": builder.convolution("last", pooled, convolution(48))])
    }

    static func convolution(_ channels: Int) -> Convolution {
        Convolution(outChannels: channels, window: Window(kernel: Extent(3), padding: Extent(1)), hasBias: true)
    }

    static func run(
        _ tuning: KernelTuning?, weights: PackedWeights, graph: Graph = graph, batch: Int = 2, images: Int? = nil
    ) throws -> (Tensor, InferencePlan) {
        let plan = try InferencePlan(
            graph: graph, output: "out", batch: batch, weights: weights, tuning: tuning, images: images)
        let pixels = SampleImages.pixels(count: 2, shape: plan.inputShape)
        return (try plan.run(pixels: pixels, normalization: InferencePlanTests.plainPixels), plan)
    }

    @Test(
        "features do not depend on the selected kernels and memory formats",
        arguments: [Activation.relu, .silu, .gelu])
    func choices(activation: Activation) throws {
        let graph = Self.graph(activation)
        let weights = PackedWeights(RandomParameters())
        let (expected, _) = try Self.run(nil, weights: weights, graph: graph)
        let tuning = KernelTuning(path: nil)
        _ = try Self.run(tuning, weights: weights, graph: graph)
        let measured = tuning.withMeasured { $0 }
        #expect(measured.kernels.count == 4)
        // Makes each choice the fastest in turn, layer by layer, so that formats are combined in every way.
        for choice in 0..<16 {
            tuning.withMeasured { measured in
                for (place, signature) in measured.kernels.keys.sorted().enumerated() {
                    measured.kernels[signature] = measured.kernels[signature]?.map { kernel in
                        let isWanted = kernel.format == (choice >> place & 1 == 0 ? .channelsLast : .blocked)
                        return ConvolutionKernel(
                            format: kernel.format, isWinograd: kernel.isWinograd,
                            separatesActivation: kernel.separatesActivation,
                            seconds: isWanted
                                ? (kernel.isWinograd ? 1 : kernel.separatesActivation == true ? 2 : 3) : 50)
                    }
                }
            }
            let (output, plan) = try Self.run(tuning, weights: weights, graph: graph)
            #expect(relativeError(output.values, expected.values) < 1e-5)
            // Winograd kernels fuse no activation except ReLU; GELU may follow any.
            let after = Set(plan.kernels.map(\.name).filter { $0.hasSuffix(".activation") })
            let winograd = plan.kernels.filter { $0.kernel.contains("wino") && $0.name != "last" }
            switch activation {
            case .relu: #expect(after == [])
            case .gelu: #expect(after.isSuperset(of: ["inner.activation", "branch.activation"]))
            default: #expect(after == Set(winograd.map { $0.name + ".activation" }))
            }
        }
    }

    @Test("an algorithm that changes the features too much is rejected") func gate() throws {
        let tuning = KernelTuning(path: nil)
        let weights = PackedWeights(RandomParameters(), identity: "known")
        let (_, first) = try Self.run(tuning, weights: weights)
        let usesWinograd = first.kernels.contains { $0.kernel.contains("wino") }
        tuning.withMeasured { measured in
            #expect(measured.errors.values.allSatisfy { $0 < CompiledPlan.tolerance })
            #expect(measured.errors.isEmpty == !usesWinograd)
            for key in measured.errors.keys { measured.errors[key] = 1 }
        }
        let (_, second) = try Self.run(tuning, weights: weights)
        #expect(!second.kernels.contains { $0.kernel.contains("wino") })
    }

    @Test("nothing is tuned or checked for a few images, and everything for many") func pays() throws {
        let weights = PackedWeights(RandomParameters(), identity: "known")
        let (expected, _) = try Self.run(nil, weights: weights)
        let tuning = KernelTuning(path: nil)
        let (few, plan) = try Self.run(tuning, weights: weights, images: 0)
        #expect(relativeError(few.values, expected.values) < 1e-5)
        #expect(!plan.kernels.contains { $0.kernel.contains("wino") })
        tuning.withMeasured { #expect($0.kernels.isEmpty && $0.errors.isEmpty) }
        let (many, _) = try Self.run(tuning, weights: weights, images: 100_000_000)
        #expect(relativeError(many.values, expected.values) < 1e-5)
        #expect(tuning.withMeasured { $0.kernels.count } == 4)
    }

    @Test("tuning results of one batch size are reused for others, except for a batch of one") func otherBatches()
        throws
    {
        let weights = PackedWeights(RandomParameters(), identity: "known")
        let tuning = KernelTuning(path: nil)
        for (batch, known) in [(2, 4), (3, 4), (7, 4)] {
            _ = try Self.run(tuning, weights: weights, batch: batch)
            #expect(tuning.withMeasured { $0.kernels.count } == known)
        }
        let one = try InferencePlan(graph: Self.graph, output: "out", batch: 1, weights: weights, tuning: tuning)
        #expect(one.batch == 1)
        #expect(tuning.withMeasured { $0.kernels.count } == 8)
    }

    @Test("results found before auto-tuning stops are kept") func interrupted() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/kernels.json"
        let tuning = KernelTuning(path: path)
        // One core has finished one benchmark, each of the others at most one, when the budget is spent.
        _ = try Self.run(tuning, weights: PackedWeights(RandomParameters(), identity: "known"), images: 2)
        let some = tuning.withMeasured { $0.kernels }
        #expect((1...4).contains(some.count))
        #expect(KernelTuning(path: path).withMeasured { $0.kernels } == some)
    }

    @Test("tuning results are stored; a broken file is measured again") func remembered() throws {
        let folder = ScratchFolder()
        let path = folder.path + "/deep/kernels.json"
        let weights = PackedWeights(RandomParameters(), identity: "known")
        _ = try Self.run(KernelTuning(path: path), weights: weights)
        let known = try Data(contentsOf: URL(fileURLWithPath: path))
        let again = KernelTuning(path: path)
        _ = try Self.run(again, weights: weights)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == known)
        try Data("{".utf8).write(to: URL(fileURLWithPath: path))
        _ = try Self.run(KernelTuning(path: path), weights: weights)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count > 100)
        // A folder that cannot be created is no error.
        _ = try Self.run(KernelTuning(path: path + "/below/a/file"), weights: weights)
    }
}

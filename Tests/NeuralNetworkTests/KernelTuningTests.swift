import Foundation
import TestSupport
import Testing

@testable import NeuralNetwork

@Suite struct KernelTuningTests {
    /// Three convolutions with windows of 3×3, a sum, a pooling in between.
    static var graph: Graph {
        var builder = GraphBuilder()
        let image = builder.input(.image(channels: 3, height: 34, width: 34))
        let stem = builder.activation(.relu, builder.convolution("stem", image, convolution(32)))
        let inner = builder.activation(.relu, builder.convolution("inner", stem, convolution(32)))
        let branch = builder.convolution("branch", inner, convolution(32))
        let sum = builder.activation(.relu, builder.add("sum", branch, stem))
        let pooled = builder.maxPooling("pool", sum, Window(kernel: Extent(2), stride: Extent(2)))
        return builder.build(outputs: ["out": builder.convolution("last", pooled, convolution(48))])
    }

    static func convolution(_ channels: Int) -> Convolution {
        Convolution(outChannels: channels, window: Window(kernel: Extent(3), padding: Extent(1)), hasBias: true)
    }

    static func run(_ tuning: KernelTuning?, weights: PackedWeights) throws -> (Tensor, InferencePlan) {
        let plan = try InferencePlan(graph: graph, output: "out", batch: 2, weights: weights, tuning: tuning)
        let pixels = SamplePictures.pixels(count: 2, shape: plan.inputShape)
        return (try plan.run(pixels: pixels, normalization: InferencePlanTests.plainPixels), plan)
    }

    @Test("whatever kernels and memory formats are fastest, the features are the same")
    func choices() throws {
        let weights = PackedWeights(RandomParameters())
        let (expected, _) = try Self.run(nil, weights: weights)
        let tuning = KernelTuning(path: nil)
        _ = try Self.run(tuning, weights: weights)
        let measured = tuning.withMeasured { $0 }
        #expect(measured.kernels.count == 4)
        // Make each choice the fastest in turn, layer by layer, so that formats meet in every way.
        for choice in 0..<16 {
            tuning.withMeasured { measured in
                for (place, signature) in measured.kernels.keys.sorted().enumerated() {
                    measured.kernels[signature] = measured.kernels[signature]?.map { kernel in
                        let isWanted = kernel.format == (choice >> place & 1 == 0 ? .channelsLast : .blocked)
                        return ConvolutionKernel(
                            format: kernel.format, isWinograd: kernel.isWinograd,
                            seconds: isWanted ? (kernel.isWinograd ? 1 : 2) : 50)
                    }
                }
                for key in measured.reorders.keys { measured.reorders[key] = 0.1 }
            }
            let (output, _) = try Self.run(tuning, weights: weights)
            #expect(InferencePlanTests.relativeError(output, expected) < 1e-5)
        }
    }

    @Test("an algorithm that changes the features too much is not used")
    func gate() throws {
        let tuning = KernelTuning(path: nil)
        let weights = PackedWeights(RandomParameters(), identity: "known")
        let (_, first) = try Self.run(tuning, weights: weights)
        let usesWinograd = first.kernels.contains { $0.kernel.contains("wino") }
        tuning.withMeasured { measured in
            #expect(measured.errors.values.allSatisfy { $0 < PlanParts.tolerance })
            #expect(measured.errors.isEmpty == !usesWinograd)
            for key in measured.errors.keys { measured.errors[key] = 1 }
        }
        let (_, second) = try Self.run(tuning, weights: weights)
        #expect(!second.kernels.contains { $0.kernel.contains("wino") })
    }

    @Test("what was measured is remembered; a broken file is measured anew")
    func remembered() throws {
        let folder = try ScratchFolder()
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
        // A folder that cannot be made is no error.
        _ = try Self.run(KernelTuning(path: path + "/below/a/file"), weights: weights)
    }
}

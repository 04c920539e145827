import Foundation
import Testing

@testable import Inference
@testable import NeuralNetwork

@Suite struct SimultaneousPlansTests {
    /// Convolutions that no other test has, so that oneDNN has not planned them before.
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

    @Test("plans of several precisions that threads make at the same time compute what they should")
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

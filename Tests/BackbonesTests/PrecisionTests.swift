import Backbones
import Foundation
import Inference
import NeuralNetwork
import Testing

@Suite struct PrecisionTests {
    /// Features of pictures 4 and 5 in `f32` and in another arithmetic.
    static func features(
        _ name: String, imageSize: Int, _ arithmetic: (Graph, PixelNormalization, PackedWeights) throws -> Arithmetic
    ) throws -> (exact: Tensor, other: Tensor) {
        let backbone = try #require(Backbone.named(name))
        let graph = backbone.graph(imageSize: imageSize)
        let normalization = backbone.inputConvention().normalization
        let weights = PackedWeights(RandomParameters())
        let pixels = (4..<6).flatMap { ParityTests.picture($0, size: imageSize) }
        func run(_ arithmetic: Arithmetic) throws -> Tensor {
            let plan = try InferencePlan(
                graph: graph, output: "pooled", batch: 2, weights: weights, arithmetic: arithmetic)
            return try plan.run(pixels: pixels, normalization: normalization)
        }
        return (try run(.f32), try run(arithmetic(graph, normalization, weights)))
    }

    static func calibration(
        _ graph: Graph, _ normalization: PixelNormalization, _ weights: PackedWeights, imageSize: Int
    ) throws -> Calibration {
        let calibrator = try Calibrator(
            graph: graph, output: "pooled", batch: 2, weights: weights, normalization: normalization)
        let pixels = [0, 2].map { first in (first..<first + 2).flatMap { ParityTests.picture($0, size: imageSize) } }
        return try calibrator.calibration(of: pixels)
    }

    @Test(
        "features in eight bits are those in f32, nearly",
        arguments: [
            "resnet18", "resnet50", "resnet152", "inceptionv3", "vgg16", "efficientnet_b0", "small_cnn",
            "efficientnet_lite0", "mobilenetv3_large", "convnext_tiny", "convnextv2_tiny", "vit_tiny_16",
        ])
    func int8(name: String) throws {
        let (exact, other) = try Self.features(name, imageSize: 128) {
            .int8(try Self.calibration($0, $1, $2, imageSize: 128))
        }
        #expect(FeatureAgreement.cosines(exact, other).min()! > 0.995)
        #expect(exact.values != other.values)
    }

    @Test("gates keep f32 first where eight bits lose more than is wanted") func gates() throws {
        let backbone = try #require(Backbone.named("efficientnet_b0"))
        let calibrator = try Calibrator(
            graph: backbone.graph(imageSize: 64), output: "pooled", batch: 2,
            weights: PackedWeights(RandomParameters()), normalization: backbone.inputConvention().normalization)
        let pixels = [(0..<2).flatMap { ParityTests.picture($0, size: 64) }]
        #expect(try calibrator.calibration(of: pixels, goal: -1).kept.isEmpty)
        let strict = try calibrator.calibration(of: pixels, goal: 1)
        // Sixteen blocks have one each; a quarter of the 81 convolutions may follow, and what the last group has more.
        let convolutions = strict.kept.filter { $0.hasSuffix(".0") || $0.contains("fc") }
        #expect(strict.kept.count - convolutions.count == 16, "\(strict.kept)")
        #expect((10...30).contains(convolutions.count))
    }

    @Test(
        "attention keeps f32 where eight bits lose more than is wanted",
        .enabled(if: Precision.int8.isNative, "needs int8 instructions"))
    func attention() throws {
        let backbone = try #require(Backbone.named("vit_tiny_16"))
        let graph = backbone.graph(imageSize: 64)
        let normalization = backbone.inputConvention().normalization
        let weights = PackedWeights(RandomParameters())
        let calibrator = try Calibrator(
            graph: graph, output: "tokens", batch: 2, weights: weights, normalization: normalization)
        let pixels = (0..<2).flatMap { ParityTests.picture($0, size: 64) }
        func features(_ calibration: Calibration) throws -> Tensor {
            let plan = try InferencePlan(
                graph: graph, output: "tokens", batch: 2, weights: weights, arithmetic: .int8(calibration))
            return try plan.run(pixels: pixels, normalization: normalization)
        }
        let lenient = try calibrator.calibration(of: [pixels], goal: -1)
        #expect(lenient.attention == .int8)
        #expect(try calibrator.calibration(of: [pixels], goal: 1).attention == nil)
        let older = Calibration(ranges: lenient.ranges, kept: lenient.kept)
        let (own, exact) = (try features(lenient), try features(older))
        #expect(own.values != exact.values)
        #expect(FeatureAgreement.cosines(own, exact).min()! > 0.999)
    }

    @Test(
        "features in bfloat16 are those in f32, nearly",
        arguments: [
            "resnet18", "inceptionv3", "efficientnet_b0", "efficientnet_lite0", "mobilenetv3_large", "convnext_tiny",
            "convnextv2_tiny", "vit_tiny_16",
        ])
    func bf16(name: String) throws {
        let (exact, other) = try Self.features(name, imageSize: 96) { _, _, _ in .bf16 }
        #expect(FeatureAgreement.cosines(exact, other).min()! > 0.9995)
        #expect(exact.values != other.values)
    }

    @Test("layers keep f32 where eight bits lose more than is wanted") func sensitiveLayers() throws {
        let backbone = try #require(Backbone.named("resnet18"))
        let calibrator = try Calibrator(
            graph: backbone.graph(imageSize: 64), output: "pooled", batch: 2,
            weights: PackedWeights(RandomParameters()), normalization: backbone.inputConvention().normalization)
        let pixels = [(0..<2).flatMap { ParityTests.picture($0, size: 64) }]
        #expect(try calibrator.calibration(of: pixels).kept.isEmpty)
        // More than eight bits can give: a quarter of the layers is kept, and no more.
        let strict = try calibrator.calibration(of: pixels, goal: 1)
        #expect((5...8).contains(strict.kept.count), "\(strict.kept)")
        let lenient = try calibrator.calibration(of: pixels, goal: -1)
        #expect(lenient.ranges == strict.ranges)
        #expect(lenient.ranges["conv1"]! > 0)
    }

    @Test(
        "features of the fastest kernels equal the publisher's",
        arguments: ParityTests.goldens.filter { ["resnet18", "inceptionv3", "vgg16"].contains($0.backbone) })
    func tuned(golden: ParityTests.Golden) throws { #expect(try golden.error(tuning: KernelTuning(path: nil)) <= 1e-4) }
}

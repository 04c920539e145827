import Backbones
import FeatureCache
import Inference
import NeuralNetwork
import ONNX
import ONNXRuntime
import Testing
import Video
@testable import Extraction

/// Backbones exported for a GPU, run by ONNX Runtime on the CPU: only if it is installed.
@Suite("backbones in ONNX Runtime", .enabled(if: (try? RuntimeLibrary.load()) != nil, "needs ONNX Runtime"))
struct DeviceNetworkTests {
    static func recipe(_ name: String, size: Int, _ precision: Precision = .f32) throws -> ExtractionRecipe {
        let backbone = try #require(Backbone.named(name))
        let tap = backbone.taps[0]
        return try ExtractionRecipe(
            ExtractionConfiguration(
                backbone: backbone, weights: .random, tap: tap, imageSize: size,
                sampling: backbone.clip.map {
                    .windows(.init(length: $0.minimum, stride: $0.minimum, windows: 2))
                } ?? .uniform(frames: 4),
                precision: precision),
            LoadedWeights(.random, for: nil))
    }

    @Test(
        "features equal those of the CPU",
        arguments: [
            ("resnet18", 64), ("resnet152", 64), ("inceptionv3", 96), ("efficientnet_b0", 64),
            ("efficientnet_lite0", 64), ("efficientnetv2_s", 64), ("mobilenetv3_large", 64), ("convnext_tiny", 64),
            ("convnextv2_tiny", 64), ("vit_tiny_16", 64), ("vit_base_16", 48), ("dinov2_vits14_reg", 56),
            ("clip_vitb32", 64), ("siglip_b16", 64), ("vgg16", 64), ("small_cnn", 48), ("r3d_18", 48),
        ])
    func parity(_ name: String, _ size: Int) throws {
        try Self.check(name, size, DeviceGraphVariant(operators: .passes, isRecorded: false))
    }

    @Test(
        "features equal those of the CPU if layers are the program's own operators",
        arguments: [
            ("resnet18", 64), ("inceptionv3", 96), ("efficientnet_b0", 64), ("efficientnetv2_s", 32),
            ("mobilenetv3_large", 64), ("convnext_tiny", 32), ("convnextv2_tiny", 32), ("vit_tiny_16", 64),
            ("dinov2_vits14_reg", 42), ("clip_vitb32", 64), ("siglip_b16", 32), ("small_cnn", 48), ("r3d_18", 32),
        ])
    func products(_ name: String, _ size: Int) throws {
        try Self.check(name, size, DeviceGraphVariant(operators: .products, isRecorded: false))
        if name.contains("vit") || name.contains("siglip") {
            try Self.check(name, size, DeviceGraphVariant(operators: .attention, isRecorded: false))
        }
    }

    private static func check(_ name: String, _ size: Int, _ variant: DeviceGraphVariant) throws {
        let recipe = try Self.recipe(name, size: size)
        let bytes = try recipe.graph().nodes[0].shape.size
        let images = (0..<5).map { image in
            (0..<bytes).map { UInt8(truncatingIfNeeded: ($0 / 7 &* 37) ^ ($0 >> 5) &+ image * 11) }
        }
        let own = try FeatureExtractor([(recipe, PackedWeights(RandomParameters()))], threads: 2)
        let expected = try own.features(of: images)
        let network = try DeviceNetwork(recipe, RandomParameters(), on: .cpu(threads: 2), batch: 3, variants: [variant])
        defer { network.close() }
        let features = try FeatureExtractor([(recipe, network)]).features(of: images)
        let largest = expected.reduce(0) { max($0, abs($1)) }
        let error = zip(features, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(largest > 0 && error < 1e-4 * largest, "\(error / largest)")
    }
}

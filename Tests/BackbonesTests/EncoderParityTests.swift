import Backbones
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing

/// ConvNeXt, vision transformers and EfficientNet's relatives against timm, torchvision, transformers and open_clip.
@Suite struct EncoderParityTests {
    static let all = (fixture("encoders", in: Bundle.module) as ParityTests.Goldens).goldens

    /// Making up three hundred million parameters takes a debug build half a minute: `ZOETROPE_ALL_NETWORKS=1` does it.
    static let goldens = all.filter { golden in
        ProcessInfo.processInfo.environment["ZOETROPE_ALL_NETWORKS"] != nil || !golden.isLarge
    }

    @Test("features and logits of newer encoders equal their publishers' for the same parameters", arguments: goldens)
    func featuresEqualPublishers(golden: ParityTests.Golden) throws {
        let error = try golden.error()
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test("the mean of a transformer's patches is a tap of its own") func mean() throws {
        let graph = try #require(Backbone.named("vit_tiny_16")).graph(imageSize: 64)
        let pixels = ParityTests.picture(0, size: 64)
        func run(_ tap: String) throws -> [Float] {
            try InferencePlan(graph: graph, output: tap, batch: 1, weights: PackedWeights(RandomParameters()))
                .run(pixels: pixels, normalization: InputConvention.symmetric.normalization).values
        }
        let (tokens, mean) = (try run("tokens"), try run("mean"))
        try #require(tokens.count == 16 * 192 && mean.count == 192)
        for channel in 0..<192 {
            let sum = (0..<16).reduce(Float(0)) { $0 + tokens[$1 * 192 + channel] }
            #expect(abs(sum / 16 - mean[channel]) < 1e-5)
        }
    }

    @Test("every new backbone has a golden, and those that resize positions have two sizes") func complete() {
        let old = ["resnet", "inceptionv3", "vgg16", "small_cnn", "efficientnet_b"]
        for backbone in Backbone.all where !old.contains(where: backbone.name.hasPrefix) {
            if backbone.clip != nil { continue }
            let own = Self.all.filter { $0.backbone == backbone.name }
            #expect(!own.isEmpty, "\(backbone.name)")
            for numerics in backbone.numerics where backbone.taps.contains("projected") {
                #expect(own.contains { $0.numerics == numerics }, "\(backbone.name) \(numerics)")
            }
        }
        for backbone in Backbone.all where backbone.taps.contains("tokens") {
            #expect(
                Set(Self.all.filter { $0.backbone == backbone.name }.map(\.imageSize)).count > 1, "\(backbone.name)")
        }
    }
}

extension ParityTests.Golden {
    fileprivate var isLarge: Bool {
        backbone.contains("large") && !backbone.hasPrefix("mobilenet") || backbone.contains("_vitl")
            || backbone.hasPrefix("dinov2_vitb") || backbone.contains("_base") && !backbone.hasSuffix("_16")
            || backbone == "efficientnetv2_l" || backbone == "siglip2_b16" || backbone == "clip_vitb16"
            || imageSize == 518
    }
}

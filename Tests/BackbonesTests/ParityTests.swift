import Backbones
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing

@Suite struct ParityTests {
    struct Goldens: Decodable { let goldens: [Golden] }

    struct Golden: Decodable, CustomTestStringConvertible {
        let backbone: String
        let numerics: Numerics?
        let imageSize: Int
        /// Frames of a window; nil for image encoders.
        let frames: Int?
        let tap: String
        let largest: Float
        let stride, featureSize: Int
        let features: [[Float]]
        var testDescription: String {
            [
                frames == nil ? numerics?.rawValue : nil, backbone, tap, frames.map { "of \($0) frames" },
                "at \(imageSize)",
            ].compactMap { $0 }
                .joined(separator: " ")
        }
    }

    static let goldens = ["torchvision", "keras", "timm"].flatMap {
        (fixture($0, in: Bundle.module) as Goldens).goldens
    }

    @Test("features equal those of the publisher's model for the same parameters and pixels", arguments: goldens)
    func featuresEqualPublishers(golden: Golden) throws {
        let error = try golden.error()
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }
}

extension ParityTests.Golden {
    /// The largest difference between our features and the publisher's, relative to the largest value.
    func error(batch: Int = 2, tuning: KernelTuning? = nil) throws -> Float {
        let network = try #require(Backbone.named(backbone))
        let plan = try InferencePlan(
            graph: network.graph(imageSize: imageSize, numerics: numerics, frames: frames), output: tap, batch: batch,
            weights: PackedWeights(RandomParameters()), tuning: tuning)
        let inputs = (0..<2).map { index in
            frames.map { ClipNetworkTests.clip(index, frames: $0, size: imageSize) }
                ?? parityImage(index, size: imageSize)
        }
        let normalization = network.inputConvention(frames == nil ? numerics : nil).normalization
        let ours =
            batch == 1
            ? try inputs.flatMap { try plan.run(pixels: $0, normalization: normalization).values }
            : try plan.run(images: inputs, normalization: normalization).values
        try #require(ours.count == 2 * featureSize)
        var worst: Float = 0
        for (input, expected) in features.enumerated() {
            for (index, value) in expected.enumerated() {
                worst = max(worst, abs(ours[input * featureSize + index * stride] - value))
            }
        }
        return worst / largest
    }
}

/// ConvNeXt, vision transformers and EfficientNet's relatives against timm, torchvision, transformers and open_clip.
@Suite struct EncoderParityTests {
    static let all = (fixture("encoders", in: Bundle.module) as ParityTests.Goldens).goldens

    /// Generating 300 million random parameters takes half a minute in a debug build; set `ZOETROPE_ALL_NETWORKS=1` to
    /// do so.
    static let goldens = all.filter { golden in
        ProcessInfo.processInfo.environment["ZOETROPE_ALL_NETWORKS"] != nil || !golden.isLarge
    }

    @Test(
        "features and logits of newer encoders equal those of their publishers' models for the same parameters",
        arguments: goldens)
    func featuresEqualPublishers(golden: ParityTests.Golden) throws {
        let error = try golden.error()
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test("the mean of a transformer's patch tokens is a separate tap") func mean() throws {
        let graph = try #require(Backbone.named("vit_tiny_16")).graph(imageSize: 64)
        let pixels = parityImage(0, size: 64)
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

    @Test("every backbone has golden features, at two sizes if it interpolates position embeddings") func complete() {
        for backbone in Backbone.all where backbone.clip == nil {
            let own = (Self.all + ParityTests.goldens).filter { $0.backbone == backbone.name }
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

@Suite struct ClipNetworkTests {
    typealias Golden = ParityTests.Golden

    static let goldens = (fixture("clips", in: Bundle.module) as ParityTests.Goldens).goldens

    /// `features` of Tests/Parity/clip_goldens.py.
    static func clip(_ index: Int, frames: Int, size: Int) -> [UInt8] {
        let few = (0..<min(3, frames)).map { parityImage(index + 2 * $0, size: size) }
        return (0..<frames).flatMap { few[$0 % 3].map { $0 >> index } }
    }

    @Test("features and logits of video encoders equal those of the publishers' models", arguments: goldens)
    func featuresEqualPublishers(golden: Golden) throws {
        let error = try golden.error(batch: 1)
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test(
        "features with auto-tuned kernels equal the publishers' too",
        arguments: goldens.filter { $0.backbone != "s3d" && $0.imageSize <= 112 })
    func tuned(golden: Golden) throws {
        let error = try golden.error(batch: 1, tuning: KernelTuning(path: nil))
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test(
        "a batch of two windows gives the same features as each window alone",
        arguments: goldens.filter { $0.imageSize <= 65 })
    func batches(golden: Golden) throws { #expect(try golden.error(batch: 2, tuning: KernelTuning(path: nil)) <= 1e-4) }

    @Test("every video encoder has golden features at two sizes") func complete() {
        for backbone in Backbone.all where backbone.clip != nil {
            let own = Self.goldens.filter { $0.backbone == backbone.name }
            #expect(Set(own.map(\.imageSize)).count > 1 && own.contains { $0.imageSize == backbone.nativeImageSize })
        }
    }

    @Test(
        "int8 features of a video encoder are close to those in f32", arguments: ["r3d_18", "r2plus1d_18"])
    func integers(name: String) throws {
        let network = try #require(Backbone.named(name))
        let graph = network.graph(imageSize: 64, frames: 8)
        let weights = PackedWeights(RandomParameters())
        let normalization = network.inputConvention().normalization
        let clips = (0..<3).map { Self.clip($0, frames: 8, size: 64) }
        let calibration = try Calibrator(
            graph: graph, output: "pooled", batch: 1, weights: weights, normalization: normalization
        ).calibration(of: clips)
        func features(_ arithmetic: Arithmetic) throws -> [[Float]] {
            let plan = try InferencePlan(
                graph: graph, output: "pooled", batch: 1, weights: weights, arithmetic: arithmetic)
            return try clips.map { try plan.run(pixels: $0, normalization: normalization).values }
        }
        for (ours, exact) in zip(try features(.int8(calibration)), try features(.f32)) {
            let cosine =
                zip(ours, exact).reduce(0) { $0 + $1.0 * $1.1 }
                / (ours.reduce(0) { $0 + $1 * $1 } * exact.reduce(0) { $0 + $1 * $1 }).squareRoot()
            #expect(cosine > 0.995 && cosine < 1)
        }
        for (ours, exact) in zip(try features(.bf16), try features(.f32)) {
            let largest = exact.map(abs).max() ?? 0
            #expect(zip(ours, exact).allSatisfy { abs($0 - $1) < 0.05 * largest })
        }
    }

    @Test("the labels of Kinetics-400 are 400, in alphabetical order") func labels() {
        #expect(ClassLabels.kinetics400.count == 400 && ClassLabels.kinetics400[0] == "abseiling")
        #expect(ClassLabels.kinetics400.last == "zumba" && ClassLabels.published(count: 400) == ClassLabels.kinetics400)
        #expect(ClassLabels.published(count: 7) == nil)
    }
}

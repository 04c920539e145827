import Backbones
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing
import Training

@Suite struct BackboneTests {
    @Test(
        "parameters and multiply-adds equal those published by torchvision",
        arguments: [
            ("resnet18", 11_689_512, 1.8), ("resnet34", 21_797_672, 3.7), ("resnet50", 25_557_032, 4.1),
            ("resnet101", 44_549_160, 7.8), ("resnet152", 60_192_808, 11.5), ("efficientnet_b0", 5_288_548, 0.39),
            ("efficientnet_b4", 19_341_616, 4.39), ("efficientnet_b7", 66_347_960, 37.75),
            // The published count of 27,161,264 includes the auxiliary classifier.
            ("inceptionv3", 23_834_568, 5.71),
            ("r3d_18", 33_371_472, 40.7), ("mc3_18", 11_695_440, 43.34), ("r2plus1d_18", 31_505_325, 40.52),
        ])
    func sizes(name: String, parameters: Int, billions: Double) throws {
        let backbone = try #require(Backbone.named(name))
        let graph = backbone.graph(imageSize: backbone.nativeImageSize)
        #expect(graph.parameterCount == parameters)
        #expect(abs(Double(graph.multiplyAdds) / 1e9 - billions) < 0.06)
    }

    @Test(
        "taps have the documented shapes, at the native and at the smallest size", arguments: Backbone.all.map(\.name))
    func taps(name: String) throws {
        let backbone = try #require(Backbone.named(name))
        let channels: [String: Int] = [
            "resnet18": 512, "resnet34": 512, "vgg16": 512, "small_cnn": 512, "efficientnet_b0": 1280,
            "efficientnet_b1": 1280, "efficientnet_b2": 1408, "efficientnet_b3": 1536, "efficientnet_b4": 1792,
            "efficientnet_b5": 2048, "efficientnet_b6": 2304, "efficientnet_b7": 2560,
        ]
        let expected = channels[name] ?? Self.newer.first { name.hasSuffix($0.0) || name.contains($0.0) }?.1 ?? 2048
        for numerics in backbone.numerics {
            for size in [backbone.nativeImageSize, backbone.minimumImageSize] {
                let graph = backbone.graph(imageSize: size, numerics: numerics)
                let spatial = try graph.featureShape(of: backbone.mapTap)
                #expect(try graph.featureShape(of: "pooled") == [expected])
                #expect(spatial.count == 3 && spatial[0] == spatial[1] && spatial[0] >= 1 && spatial[2] == expected)
                if backbone.taps.contains("flatten") {
                    #expect(try graph.featureShape(of: "flatten") == [spatial.reduce(1, *)])
                }
            }
        }
    }

    /// Features of the newer backbones, by the prefix of their names.
    static let newer = [
        ("_18", 512), ("s3d", 1024), ("i3d_rgb", 1024),
        ("lite", 1280), ("netv2_", 1280), ("mobilenet", 960), ("tiny_16", 192), ("small_", 384), ("_vits", 384),
        ("base_", 768), ("_vitb", 768), ("siglip", 768), ("large_", 1024), ("_vitl", 1024), ("_tiny", 768),
        ("_small", 768), ("_base", 1024), ("_large", 1536),
    ]

    @Test("the backbone of a weight file is detected from its tensors", arguments: Backbone.all.map(\.name))
    func guess(name: String) throws {
        let backbone = try #require(Backbone.named(name))
        let parameters = backbone.graph(imageSize: backbone.nativeImageSize).parameters
        let shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
        // SigLIP 2 has the shapes of SigLIP.
        #expect(Backbone.looking(like: shapes)?.name == name.replacingOccurrences(of: "siglip2", with: "siglip"))
        #expect(Backbone.looking(like: shapes.filter { $0.key != parameters[0].name }) == nil)
    }

    @Test("parameter names are unique and equal torchvision's") func names() throws {
        let names = try #require(Backbone.named("resnet50")).graph(imageSize: 224).parameters.map(\.name)
        #expect(Set(names).count == names.count)
        for name in [
            "conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer3.5.bn3.bias", "fc.weight",
        ] { #expect(names.contains(name)) }
    }

    @Test("features of two images differ and are deterministic")
    func untrainedFeaturesDependOnTheImage() throws {
        let backbone = try #require(Backbone.named("resnet18"))
        let plan = try InferencePlan(
            graph: backbone.graph(imageSize: 64), output: "pooled", batch: 2, weights: PackedWeights(RandomParameters())
        )
        let pixels = (0..<2).flatMap { parityImage($0, size: 64) }
        let normalization = backbone.inputConvention().normalization
        let first = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first.shape == [2, 512])
        let again = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first == again)
        let differences = (0..<512).map { abs(first.values[$0] - first.values[512 + $0]) }
        #expect(differences.max()! > 0.1 * first.values.max()!)
    }
}

@Suite struct PrecisionTests {
    /// Features of images 4 and 5 in `f32` and in another precision.
    static func features(
        _ name: String, imageSize: Int, _ arithmetic: (Graph, PixelNormalization, PackedWeights) throws -> Arithmetic
    ) throws -> (exact: Tensor, other: Tensor) {
        let backbone = try #require(Backbone.named(name))
        let graph = backbone.graph(imageSize: imageSize)
        let normalization = backbone.inputConvention().normalization
        let weights = PackedWeights(RandomParameters())
        let pixels = (4..<6).flatMap { parityImage($0, size: imageSize) }
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
        let pixels = [0, 2].map { first in (first..<first + 2).flatMap { parityImage($0, size: imageSize) } }
        return try calibrator.calibration(of: pixels)
    }

    @Test(
        "int8 features are close to those in f32",
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

    /// With images for calibration.
    static func calibrator(_ name: String) throws -> (Calibrator, [[UInt8]]) {
        let backbone = try #require(Backbone.named(name))
        let calibrator = try Calibrator(
            graph: backbone.graph(imageSize: 64), output: "pooled", batch: 2,
            weights: PackedWeights(RandomParameters()), normalization: backbone.inputConvention().normalization)
        return (calibrator, [(0..<2).flatMap { parityImage($0, size: 64) }])
    }

    @Test("squeeze-and-excitation gates fall back to f32 first if int8 loses too much accuracy") func gates() throws {
        let (calibrator, pixels) = try Self.calibrator("efficientnet_b0")
        #expect(try calibrator.calibration(of: pixels, goal: -1).kept.isEmpty)
        let strict = try calibrator.calibration(of: pixels, goal: 1)
        // Sixteen blocks have one gate each; a quarter of the 81 convolutions may follow, plus the rest of the last
        // group.
        let convolutions = strict.kept.filter { $0.hasSuffix(".0") || $0.contains("fc") }
        #expect(strict.kept.count - convolutions.count == 16, "\(strict.kept)")
        #expect((10...30).contains(convolutions.count))
    }

    @Test(
        "attention falls back to f32 if int8 loses too much accuracy",
        .enabled(if: Precision.int8.isNative, "needs int8 instructions"))
    func attention() throws {
        let backbone = try #require(Backbone.named("vit_tiny_16"))
        let graph = backbone.graph(imageSize: 64)
        let normalization = backbone.inputConvention().normalization
        let weights = PackedWeights(RandomParameters())
        let calibrator = try Calibrator(
            graph: graph, output: "tokens", batch: 2, weights: weights, normalization: normalization)
        let pixels = (0..<2).flatMap { parityImage($0, size: 64) }
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
        "bf16 features are close to those in f32",
        arguments: [
            "resnet18", "inceptionv3", "efficientnet_b0", "efficientnet_lite0", "mobilenetv3_large", "convnext_tiny",
            "convnextv2_tiny", "vit_tiny_16",
        ])
    func bf16(name: String) throws {
        let (exact, other) = try Self.features(name, imageSize: 96) { _, _, _ in .bf16 }
        #expect(FeatureAgreement.cosines(exact, other).min()! > 0.9995)
        #expect(exact.values != other.values)
    }

    @Test("layers fall back to f32 if int8 loses too much accuracy") func sensitiveLayers() throws {
        let (calibrator, pixels) = try Self.calibrator("resnet18")
        #expect(try calibrator.calibration(of: pixels).kept.isEmpty)
        // An accuracy that int8 cannot reach: at most a quarter of the layers stays in f32.
        let strict = try calibrator.calibration(of: pixels, goal: 1)
        #expect((5...8).contains(strict.kept.count), "\(strict.kept)")
        let lenient = try calibrator.calibration(of: pixels, goal: -1)
        #expect(lenient.ranges == strict.ranges)
        #expect(lenient.ranges["conv1"]! > 0)
    }

    @Test(
        "features with auto-tuned kernels equal the publisher's",
        arguments: ParityTests.goldens.filter { ["resnet18", "inceptionv3", "vgg16"].contains($0.backbone) })
    func tuned(golden: ParityTests.Golden) throws { #expect(try golden.error(tuning: KernelTuning(path: nil)) <= 1e-4) }
}

@Suite struct TrainingStepsTests {
    struct Steps: Decodable {
        let losses: [Double]
        let mean, variance: [Float]

        enum CodingKeys: String, CodingKey { case losses, mean = "running_mean", variance = "running_var" }
    }

    @Test("twenty steps of the small CNN and an LSTM together follow PyTorch's loss and running statistics")
    func smallCNN() throws {
        let golden: Steps = fixture("steps", in: Bundle.module)
        let graph = SmallCNN().graph(imageSize: 32)
        var cnn = try NetworkParameters(graph, from: RandomParameters()) { _ in true }
        let plan = try DifferentiablePlan(graph: graph, output: "pooled", parameters: cnn)
        var b = GraphBuilder()
        var x = b.input(.sequence(512))
        for layer in 0..<2 { x = b.recurrent("rnn", layer: layer, x, Recurrence(cell: .lstm, hiddenSize: 16)) }
        let logits = b.linear("fc", b.finalState("state", x, bidirectional: false), out: 3)
        let head = try TrainingPlan(graph: b.build(outputs: ["logits": logits]))
        var weights = ParameterVector(zerosFor: head.graph)
        weights.values = weights.slots.flatMap { around($0.parameter.name, $0.parameter.shape, spread: 0.25).values }
        let adam = Optimizer(kind: .adam, learningRate: 1e-4)
        var (ofCNN, ofHead) = (Optimizer.State(), Optimizer.State())
        for (step, expected) in golden.losses.enumerated() {
            let images = Tensor(
                shape: [12, 32 * 32 * 3], values: around("input \(step % 2)", [12 * 32 * 32 * 3]).values)
            let seen = try plan.forward(images, cnn)
            let packed = PackedSequences(
                rows: seen.output.values, featureSize: 512, firstRows: [0, 3, 6, 9], lengths: [3, 3, 3, 3])
            let pass = head.forward(packed, weights)
            let (loss, slope) = CrossEntropy()(pass.output, targets: [0, 2, 1, 1])
            #expect(abs(loss - expected) < 1e-3, "step \(step)")
            var (cnnGradient, headGradient) = (cnn.trained, weights)
            let rows = head.backward(pass, outputGradient: slope, weights, into: &headGradient, wantsInput: true)
            try plan.backward(
                seen, outputGradient: Tensor(shape: [12, 512], values: rows.flatMap(\.values)), cnn, into: &cnnGradient)
            plan.updateStatistics(seen, &cnn)
            adam.update(&cnn.trained, gradient: cnnGradient, &ofCNN)
            adam.update(&weights, gradient: headGradient, &ofHead)
        }
        let statistics = cnn.fixed.tensors
        for (name, expected) in [("bn4.running_mean", golden.mean), ("bn4.running_var", golden.variance)] {
            let ours = try #require(statistics[name]).values
            let largest = expected.map(abs).max() ?? 0
            for (index, value) in expected.enumerated() { #expect(abs(ours[16 * index] - value) < 1e-3 * largest) }
        }
    }
}

import Backbones
import Foundation
import Inference
import NeuralNetwork
import Testing

@Suite struct BackboneTests {
    @Test(
        "parameters and multiply-adds are those published by torchvision",
        arguments: [
            ("resnet18", 11_689_512, 1.8), ("resnet34", 21_797_672, 3.7), ("resnet50", 25_557_032, 4.1),
            ("resnet101", 44_549_160, 7.8), ("resnet152", 60_192_808, 11.5), ("efficientnet_b0", 5_288_548, 0.39),
            ("efficientnet_b4", 19_341_616, 4.39), ("efficientnet_b7", 66_347_960, 37.75),
            // 27,161,264 with the auxiliary classifier.
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

    /// Features of the newer networks, by what their names contain.
    static let newer = [
        ("_18", 512), ("s3d", 1024), ("i3d_rgb", 1024),
        ("lite", 1280), ("netv2_", 1280), ("mobilenet", 960), ("tiny_16", 192), ("small_", 384), ("_vits", 384),
        ("base_", 768), ("_vitb", 768), ("siglip", 768), ("large_", 1024), ("_vitl", 1024), ("_tiny", 768),
        ("_small", 768), ("_base", 1024), ("_large", 1536),
    ]

    @Test("a file's tensors tell which backbone they are of", arguments: Backbone.all.map(\.name))
    func guess(name: String) throws {
        let backbone = try #require(Backbone.named(name))
        let parameters = backbone.graph(imageSize: backbone.nativeImageSize).parameters
        let shapes = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.shape) })
        // SigLIP 2 has the shapes of SigLIP.
        #expect(Backbone.looking(like: shapes)?.name == name.replacingOccurrences(of: "siglip2", with: "siglip"))
        #expect(Backbone.looking(like: shapes.filter { $0.key != parameters[0].name }) == nil)
    }

    @Test("parameter names are unique and torchvision's") func names() throws {
        let names = try #require(Backbone.named("resnet50")).graph(imageSize: 224).parameters.map(\.name)
        #expect(Set(names).count == names.count)
        for name in [
            "conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer3.5.bn3.bias", "fc.weight",
        ] { #expect(names.contains(name)) }
    }

    @Test("features of two pictures differ, and are the same each time")
    func untrainedFeaturesDependOnThePicture() throws {
        let backbone = try #require(Backbone.named("resnet18"))
        let plan = try InferencePlan(
            graph: backbone.graph(imageSize: 64), output: "pooled", batch: 2, weights: PackedWeights(RandomParameters())
        )
        let pixels = (0..<2).flatMap { ParityTests.picture($0, size: 64) }
        let normalization = backbone.inputConvention().normalization
        let first = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first.shape == [2, 512])
        let again = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first == again)
        let differences = (0..<512).map { abs(first.values[$0] - first.values[512 + $0]) }
        #expect(differences.max()! > 0.1 * first.values.max()!)
    }
}

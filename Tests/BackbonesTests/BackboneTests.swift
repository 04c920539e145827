import Backbones
import NeuralNetwork
import Testing

@Suite struct BackboneTests {
    @Test(
        "parameters and multiply-adds are those published by torchvision",
        arguments: [
            ("resnet18", 11_689_512, 1.8), ("resnet34", 21_797_672, 3.7), ("resnet50", 25_557_032, 4.1),
            ("resnet101", 44_549_160, 7.8), ("resnet152", 60_192_808, 11.5),
        ])
    func sizes(name: String, parameters: Int, billions: Double) throws {
        let graph = try #require(Backbone.named(name)).graph(imageSize: 224)
        #expect(graph.parameterCount == parameters)
        #expect(abs(Double(graph.multiplyAdds) / 1e9 - billions) < 0.06)
    }

    @Test("taps have the documented shapes", arguments: Backbone.all.map(\.name))
    func taps(name: String) throws {
        let backbone = try #require(Backbone.named(name))
        let channels = ["resnet18", "resnet34"].contains(name) ? 512 : 2048
        let graph = backbone.graph(imageSize: 224)
        #expect(try graph.featureShape(of: "pooled") == [channels])
        #expect(try graph.featureShape(of: "spatial") == [7, 7, channels])
        #expect(try graph.featureShape(of: "logits") == [1000])
        // Every tap is there at the smallest size too.
        #expect(
            try backbone.graph(imageSize: backbone.minimumImageSize).featureShape(of: "spatial") == [1, 1, channels])
    }

    @Test("parameter names are unique and torchvision's")
    func names() throws {
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
        let pixels = (0..<2).flatMap { ResNetTests.picture($0, size: 64) }
        let normalization = backbone.inputConvention.normalization
        let first = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first.shape == [2, 512])
        let again = try plan.run(pixels: pixels, normalization: normalization)
        #expect(first == again)
        let differences = (0..<512).map { abs(first.values[$0] - first.values[512 + $0]) }
        #expect(differences.max()! > 0.1 * first.values.max()!)
    }
}

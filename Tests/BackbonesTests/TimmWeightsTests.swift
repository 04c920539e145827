import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

@Suite struct TimmWeightsTests {
    static func fixture() throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/timm", withExtension: "bin")).path
    }

    @Test("a file that timm wrote gives torchvision's names, and the numbers that stand under timm's")
    func tensors() throws {
        let file = try openWeights(path: Self.fixture())
        #expect(file.format == "safetensors, names of timm")
        let expected = [
            "features.0.0.weight": [8, 3, 3, 3], "features.1.0.block.0.0.weight": [8, 1, 3, 3],
            "features.1.0.block.1.fc1.bias": [2], "features.1.0.block.2.1.running_var": [8],
            "features.2.1.block.0.0.weight": [48, 8, 1, 1], "features.2.1.block.1.0.weight": [48, 1, 3, 3],
            "features.2.0.block.2.fc2.weight": [48, 2, 1, 1], "features.2.0.block.3.0.weight": [8, 48, 1, 1],
            "features.2.0.block.3.1.bias": [8], "features.8.0.weight": [8, 8, 1, 1], "classifier.1.bias": [3],
        ]
        for (name, shape) in expected { #expect(file.shapes[name] == shape, "\(name)") }
        #expect(file.shapes.keys.allSatisfy { $0.hasPrefix("features.") || $0.hasPrefix("classifier.") })
        for (name, spread) in [("features.2.1.block.3.1.bias", 0.1), ("features.8.1.running_mean", 0.1)] {
            let random = RandomParameters().uniform(name, count: 8).map { Float(spread) * (2 * $0 - 1) }
            #expect(try file.tensor(named: name)?.values == random, "\(name)")
        }
        #expect(WeightsTraits(of: file).numerics == [.timm, .keras])
    }

    @Test("every parameter of EfficientNet-B7 has one name in timm, and no two share it") func wholeNetwork() {
        let parameters = EfficientNet(.b7, .timm).graph(imageSize: 64).parameters.map(\.name)
        let timm = parameters.map(Self.timmName)
        #expect(Set(timm).count == parameters.count)
        #expect(timm.map(TimmWeights.translated) == parameters)
        #expect(TimmWeights.translated("blocks.1.0.conv_dw") == nil)
        #expect(TimmWeights.translated("layer1.0.conv1.weight") == nil)
    }

    /// The other way round, by the rules of timm's builder.
    static func timmName(_ name: String) -> String {
        let parts = name.split(separator: ".").map(String.init)
        if parts[0] == "classifier" { return "classifier." + parts[2] }
        let (isConvolution, leaf) = (parts[parts.count - 2] == "0", parts[parts.count - 1])
        if parts.count == 4 {
            let module = parts[1] == "0" ? ["bn1", "conv_stem"] : ["bn2", "conv_head"]
            return module[isConvolution ? 1 : 0] + "." + leaf
        }
        let (stage, block) = (Int(parts[1])! - 1, parts[2])
        let place = Int(parts[4])! + (stage == 0 ? 1 : 0)
        let module =
            switch (place, parts[5]) {
            case (2, let excitation): "se." + (excitation == "fc1" ? "conv_reduce" : "conv_expand")
            case (0, "0"): "conv_pw"
            case (0, _): "bn1"
            case (1, "0"): "conv_dw"
            case (1, _): stage == 0 ? "bn1" : "bn2"
            case (_, "0"): stage == 0 ? "conv_pw" : "conv_pwl"
            default: stage == 0 ? "bn2" : "bn3"
            }
        return "blocks.\(stage).\(block).\(module).\(leaf)"
    }

    @Test("what a file says of its network survives the conversion") func traits() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/x.safetensors"
        let keras = try openWeights(path: KerasWeightsTests.fixture("keras2"))
        let traits = WeightsTraits(of: keras)
        try SafeTensorsWriter.convert(keras, metadata: traits.metadata, to: path)
        let converted = try openWeights(path: path)
        #expect(converted.shapes == keras.shapes)
        #expect(WeightsTraits(of: converted) == traits)
        #expect(traits.numerics == [.keras] && traits.input?.mean == [0.5, 0.4, 0.3])
        try SafeTensorsWriter.write([:], metadata: ["numerics": "none", "input": "{\"mean\":[1]}"], to: path)
        let unusable = try WeightsTraits(of: openWeights(path: path))
        #expect(unusable.numerics.isEmpty && unusable.input == nil && !unusable.statesInput)
    }
}

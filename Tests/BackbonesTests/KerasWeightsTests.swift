import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

@Suite struct KerasWeightsTests {
    static func fixture(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: "h5")).path
    }

    @Test(
        "files of Keras 2 and 3, also of a model inside another, give torchvision's names, shapes and order of elements",
        arguments: ["keras2.h5", "keras3.h5", "nested.h5", "nested.keras"])
    func tensors(name: String) throws {
        let path = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil)).path + "/" + name
        let file = try openWeights(path: path)
        #expect(file.format == "Keras (HDF5)")
        #expect(
            file.shapes == [
                "features.0.0.weight": [4, 3, 3, 3], "features.0.1.weight": [4], "features.0.1.bias": [4],
                "features.0.1.running_mean": [4], "features.0.1.running_var": [4],
                "features.1.0.block.0.0.weight": [4, 1, 3, 3], "features.1.0.block.1.fc1.weight": [2, 4, 1, 1],
                "features.1.0.block.1.fc1.bias": [2],
            ])
        for (name, shape) in file.shapes {
            #expect(try file.tensor(named: name)?.values == around(name, shape).values, "\(name)")
        }
        let convention = try #require((file as? KerasWeights)?.inputConvention)
        #expect(convention.mean == [0.5, 0.4, 0.3])
        for (ours, expected) in zip(convention.deviation, [0.2, 0.3, 0.4] as [Float]) {
            #expect(abs(ours - expected) < 1e-6)
        }
    }

    @Test(
        "every layer of InceptionV3 and EfficientNet has its module, wherever the count began", arguments: [0, 1, 94])
    func inceptionNames(first: Int) throws {
        let parameters = InceptionV3(.keras).graph(imageSize: 299).parameters(for: "pooled").map(\.name)
        let modules = Set(parameters.map { $0.split(separator: ".").dropLast().joined(separator: ".") })
        func name(_ kind: String, _ index: Int) -> String { index == 0 ? kind : "\(kind)_\(index)" }
        let layers = (first..<first + 94).flatMap { [name("conv2d", $0), name("batch_normalization", $0)] }
        let names = try #require(KerasNames.modules(of: layers.shuffled()))
        #expect(Set(names.values) == modules)
        #expect(names[name("conv2d", first)] == "Conv2d_1a_3x3.conv")
        #expect(KerasNames.modules(of: Array(layers.dropLast(2))) == nil)
    }

    @Test("layers of a deeper relative are not passed over: VGG19 is not taken for VGG16, whatever head it has")
    func deeper() throws {
        let vgg16 = [2, 2, 3, 3, 3].enumerated().flatMap { block, count in
            (1...count).map { "block\(block + 1)_conv\($0)" }
        }
        for (layers, unknown) in [
            (vgg16 + ["dense", "dense_1", "predictions"], []),
            (vgg16 + ["block3_conv4", "block4_conv4", "fc1"], ["block3_conv4", "block4_conv4"]),
        ] {
            let modules = try #require(KerasNames.modules(of: layers))
            #expect(KerasNames.unknown(in: layers, modules) == unknown)
        }
    }

    @Test("two models with layers of the same names are not mixed") func two() throws {
        let path = try Self.fixture("two")
        #expect(refusal(of: WeightsError.self) { try openWeights(path: path) }.contains("several models"))
        #expect(throws: WeightsError.self) { try ResolvedWeights(path: Self.fixture("keras3"), part: "other") }
    }

    @Test("a file on which libhdf5 walks in circles is stopped and refused") func circular() throws {
        let path = try #require(Bundle.module.url(forResource: "Fixtures/circular", withExtension: "bin")).path
        let begin = ContinuousClock.now
        #expect(throws: WeightsError.malformed(file: path, reason: "it is a damaged or cut-off HDF5 file")) {
            try KerasFile(path: path)
        }
        #expect(ContinuousClock.now - begin < .seconds(60))
    }

    @Test("a web page and a cut-off file are errors") func damaged() throws {
        let scratch = ScratchFolder()
        func survives(_ data: Data) throws -> Bool {
            let path = try scratch.file("x.h5", data)
            do {
                let file = try openWeights(path: path)
                for name in file.shapes.keys { _ = try file.tensor(named: name) }
                return true
            } catch is WeightsError {
                return false
            }
        }
        #expect(try !survives(Data("<!DOCTYPE html><html><body>404 Not Found</body></html>".utf8)))
        for name in ["keras2", "keras3"] {
            let whole = try Data(contentsOf: URL(fileURLWithPath: Self.fixture(name)))
            #expect(try survives(whole))
            for length in stride(from: 0, to: whole.count - 1, by: whole.count / 40) {
                #expect(try !survives(whole.prefix(length)))
            }
        }
    }
}

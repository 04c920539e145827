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
        "files of Keras 2 and 3, also of nested models, give torchvision's names, shapes and order of elements",
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
        for (ours, expected) in zip(convention.standardDeviation, [0.2, 0.3, 0.4] as [Float]) {
            #expect(abs(ours - expected) < 1e-6)
        }
    }

    @Test(
        "every layer of InceptionV3 and EfficientNet maps to its module, whichever index Keras starts numbering at",
        arguments: [0, 1, 94])
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

    @Test("VGG19 weights are not mistaken for VGG16, whichever head they have")
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

    @Test("layers of two models with equal layer names are not mixed") func two() throws {
        let path = try Self.fixture("two")
        #expect(refusal(of: WeightsError.self) { try openWeights(path: path) }.contains("several models"))
        #expect(throws: WeightsError.self) { try ResolvedWeights(path: Self.fixture("keras3"), part: "other") }
    }

    @Test("a file that sends libhdf5 into an endless loop is stopped and rejected") func circular() throws {
        let path = try #require(Bundle.module.url(forResource: "Fixtures/circular", withExtension: "bin")).path
        let begin = ContinuousClock.now
        #expect(throws: WeightsError.malformed(file: path, reason: "it is a damaged or cut-off HDF5 file")) {
            try KerasFile(path: path)
        }
        #expect(ContinuousClock.now - begin < .seconds(60))
    }

    @Test("a web page and a truncated file are errors") func damaged() throws {
        let scratch = ScratchFolder()
        func survives(_ data: Data) throws -> Bool {
            let path = try scratch.file("x.h5", data)
            do {
                let file = try openWeights(path: path)
                for name in file.shapes.keys { _ = try file.tensor(named: name) }
                return true
            } catch is WeightsError { return false }
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

@Suite struct TimmWeightsTests {
    static func fixture() throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/timm", withExtension: "bin")).path
    }

    @Test("timm weight files give torchvision's names, with the values of timm's tensors")
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

    @Test("timm's and our parameter names of EfficientNet-B7 correspond one to one") func wholeNetwork() {
        let parameters = EfficientNet(.b7, .timm).graph(imageSize: 64).parameters.map(\.name)
        let timm = parameters.map(Self.timmName)
        #expect(Set(timm).count == parameters.count)
        #expect(timm.map(RenamedWeights.torchvisionName(ofTimm:)) == parameters)
        #expect(RenamedWeights.torchvisionName(ofTimm: "blocks.1.0.conv_dw") == nil)
        #expect(RenamedWeights.torchvisionName(ofTimm: "layer1.0.conv1.weight") == nil)
    }

    /// The inverse mapping, by the rules of timm's builder.
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

    @Test("a conversion preserves the metadata of a weight file") func traits() throws {
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

/// Modified configuration files beside a weight file, as in a folder of a model hub.
@Suite struct UntrustedHubTests {
    let folder = ScratchFolder()

    @Test("a configuration file that is a named pipe, or nested deeply, is ignored without delay")
    func configurations() throws {
        let start = ContinuousClock.now
        try #require(mkfifo(folder.path + "/config.json", 0o600) == 0)
        try folder.file("open_clip_config.json", "{\"model_cfg\":" + String(repeating: "[", count: 500_000))
        let hub = HubConfiguration(beside: folder.path + "/model.safetensors")
        #expect(hub.numerics == nil && hub.input == nil)
        #expect(ContinuousClock.now - start < soon)
    }

    @Test(
        "a named pipe given as weights is rejected immediately, whatever its name",
        arguments: ["w.h5", "w.onnx", "w.pth"])
    func pipes(name: String) throws {
        let path = folder.path + "/" + name
        try #require(mkfifo(path, 0o600) == 0)
        let start = ContinuousClock.now
        let error = #expect(throws: (any Error).self) { try openWeights(path: path) }
        #expect(error?.localizedDescription.contains("it is a named pipe, not a regular file") ?? false)
        #expect(ContinuousClock.now - start < soon)
    }

    @Test("scalar tensors under published names cause no crash") func scalars() throws {
        let names = [
            "features.1.0.layer_scale", "features.0.1.weight", "embeddings.patch_embedding.weight",
            "head.attention.in_proj_weight", "embeddings.class_embedding", "visual.class_embedding",
            "visual.positional_embedding", "visual.proj", "downsample_layers.0.0.weight", "_conv_stem.weight",
            "_blocks.0._depthwise_conv.weight", "conv_proj.weight", "encoder.pos_embedding", "conv_stem.weight",
            "blocks.0.0.se.conv_reduce.weight", "text_model.embeddings.token_embedding.weight",
            "text_model.encoder.layers.0.self_attn.q_proj.weight",
            "text_model.encoder.layers.0.self_attn.k_proj.weight",
            "text_model.encoder.layers.0.self_attn.v_proj.weight", "pos_embed", "cls_token", "mask_token",
            "blocks.0.ls1.gamma", "register_tokens", "classifier.0.weight", "features.16.0.weight",
            "features.1.block.0.0.weight", "features.1.0.block.0.0.weight",
        ]
        let tensors = Dictionary(uniqueKeysWithValues: names.map { ($0, Tensor(shape: [], values: [1])) })
        let path = folder.path + "/w.safetensors"
        for skipped in names {
            try SafeTensorsWriter.write(tensors.filter { $0.key != skipped }, to: path)
            let checkpoint = try openCheckpoint(path: path)
            for weights in [RenamedWeights(checkpoint) as (any Checkpoint)?, checkpoint].compactMap(\.self) {
                for name in weights.shapes.keys { _ = try? weights.tensor(named: name) }
                if let text = try? TextWeights(weights) {
                    let parameter = Graph.Parameter(
                        name: "text.blocks.0.attn.qkv.weight", shape: [3], initializer: .init(spread: 0),
                        isTrainable: true)
                    _ = try? text.tensor(for: parameter)
                }
            }
        }
    }
}

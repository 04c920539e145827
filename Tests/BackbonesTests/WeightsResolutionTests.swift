import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

@Suite struct WeightsResolutionTests {
    /// The names and shapes of a file, without elements.
    struct Names: Checkpoint {
        var path = "file.pth"
        var format: String { "names" }
        let shapes: [String: [Int]]
        func tensor(named name: String) -> Tensor? { nil }
    }

    static let resnet18 = shapes("resnet18")

    static func shapes(_ backbone: String) -> [String: [Int]] {
        let graph = Backbone.named(backbone)?.graph(imageSize: 224) ?? .empty
        return Dictionary(graph.parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    }

    static func prefixed(_ prefix: String, _ shapes: [String: [Int]] = resnet18) -> [String: [Int]] {
        Dictionary(shapes.map { (prefix + $0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    static func resolved(
        _ shapes: [[String: [Int]]], for backbone: String? = "resnet18", part: String? = nil
    ) throws -> ResolvedWeights {
        let all = shapes.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        return try ResolvedWeights(Names(shapes: all), for: backbone.flatMap(Backbone.named), part: part)
    }

    @Test(
        "a backbone is found under any prefix, and beside other tensors",
        arguments: [
            "", "_orig_mod.", "module.", "module.module._orig_mod.", "model.", "net.", "backbone.", "encoder.",
            "resnet.",
            "model.backbone.", "state_dict.module.", "model_state_dict.", "net.module.", "weights.", "models.0.",
            "a.b.c.d.e.",
        ])
    func prefixes(prefix: String) throws {
        let beside: [String: [Int]] = [
            "head.weight": [3, 512], "queue": [128, 100], prefix + "fc.0.weight": [512, 512],
            "optimizer.conv.weight": [2, 2], prefix + "bn1.num_batches_tracked": [],
        ]
        for backbone in ["resnet18", nil] {
            let found = try Self.resolved([Self.prefixed(prefix), beside], for: backbone)
            #expect(found.part == nil && found.others.isEmpty)
            for (name, shape) in Self.resnet18 { #expect(found.checkpoint.shapes[name] == shape) }
        }
    }

    @Test(
        "if a file contains several models, the one that publishers evaluate is used; another can be named",
        arguments: [
            (["state_dict.", "state_dict_ema."], "state_dict_ema"), (["model.", "model_ema."], "model_ema"),
            (["student.module.backbone.", "teacher.backbone."], "teacher.backbone"),
            (["state_dict.module.encoder_k.", "state_dict.module.encoder_q."], "state_dict.module.encoder_q"),
            (["online_network.", "target_network."], "online_network"),
            (["encoder.", "target_encoder."], "target_encoder"),
            // MMEngine's hook swaps the two before saving.
            (["state_dict.backbone.", "ema_state_dict.module.backbone."], "state_dict.backbone"),
            (["grads.", "weights."], "weights"), (["momentum_buffer.", "net."], "net"),
            (["", "ema."], "ema"), (["base_encoder.", "momentum_encoder."], "base_encoder"), (["a.", "b."], "a"),
        ])
    func several(prefixes: [String], chosen: String) throws {
        let shapes = prefixes.map { Self.prefixed($0) }
        let found = try Self.resolved(shapes)
        #expect(found.part == chosen)
        #expect(found.others.sorted() == prefixes.map { String($0.dropLast()) }.filter { $0 != chosen }.sorted())
        for prefix in prefixes {
            let name = String(prefix.dropLast())
            let wanted = try Self.resolved(shapes, part: name)
            #expect(wanted.part == name, "recipes of the same file name which network they are of")
            let place = (wanted.checkpoint as? PrefixedWeights)?.prefix ?? ""
            #expect(place == prefix)
        }
        #expect(
            refusal(of: WeightsError.self) { try Self.resolved(shapes, part: "discriminator") }.contains(
                "`\(prefixes[1].dropLast())`"))
        #expect(throws: WeightsError.self) { try Self.resolved([Self.resnet18], part: "teacher") }
    }

    @Test("a submodule can be selected by any consecutive components of its name") func partNames() throws {
        let shapes = ["student.module.backbone.", "teacher.module.backbone."].map { Self.prefixed($0) }
        for part in ["student", "student.module", "student.module.backbone"] {
            #expect(try Self.resolved(shapes, part: part).part == "student.module.backbone")
        }
        #expect(throws: WeightsError.self) { try Self.resolved(shapes, part: "tudent") }
    }

    @Test(
        "weights of a deeper model, or of blocks with more layers, are not mistaken for a shallower model",
        arguments: [
            ("resnet18", "resnet34"), ("resnet50", "resnet152"), ("vit_small_16", "vit_small_16 with LayerScale"),
        ])
    func deeper(wanted: String, given: String) throws {
        var shapes = Self.shapes(String(given.prefix { $0 != " " }))
        if given.contains("LayerScale") { shapes["blocks.3.ls1.gamma"] = [384] }
        let text = refusal(of: WeightsError.self) {
            try Self.resolved([Self.prefixed("model.", shapes)], for: wanted)
        }
        #expect(text.contains("inside the modules of \(wanted)"), "\(text)")
        #expect(given.contains(" ") || text.contains("this looks like \(given)."), "\(text)")
    }

    @Test(
        "a variant with extra tensors (scales, adapters, blocks) is an error that says what to do",
        arguments: [
            ("conv1.weight_scale", [64], "save them dequantised"),
            ("layer1.0.conv2.scale_weight", [], "save them dequantised"),
            ("bn1.zero_point", [1], "save them dequantised"), ("conv1.bias", [64], "backbone: onnx"),
            ("layer1.0.se.fc1.weight", [4, 64, 1, 1], "backbone: onnx"),
            ("layer2.1.conv1.lora_A.default.weight", [4, 64], "merge_and_unload"),
        ])
    func variants(name: String, shape: [Int], remedy: String) throws {
        for prefix in ["", "model.backbone."] {
            let text = refusal(of: WeightsError.self) {
                try Self.resolved([Self.prefixed(prefix, Self.resnet18.merging([name: shape]) { $1 })])
            }
            #expect(text.contains(name) && text.contains(remedy) && !text.contains("this looks like"), "\(text)")
        }
    }

    @Test(
        "modules that the backbone does not have are listed; optimiser states and other models are not"
    ) func unused() throws {
        let beside: [String: [Int]] = [
            "model.head.fc.weight": [9, 512], "model.backbone.layer5.0.conv1.weight": [3, 3],
            "model.backbone.prompt": [4], "adapter.conv.weight": [3, 3], "optimizer.state.0.exp_avg": [3],
            "optimizer_state_dict.state.0.momentum_buffer": [3], "lr_scheduler_state_dict.base": [3],
            "model.backbone.bn1.num_batches_tracked": [], "grads.head": [3],
        ]
        let found = try Self.resolved(
            [
                Self.prefixed("model.backbone."), Self.prefixed("teacher.backbone."), beside,
            ], part: "model.backbone")
        #expect(found.unused == ["adapter", "model.backbone.layer5", "model.backbone.prompt", "model.head"])
        #expect(try Self.resolved([Self.resnet18]).unused == [], "the published classifier is the network's own")
    }

    @Test(
        "extra heads and buffers of a file do not matter",
        arguments: ["resnet50", "vgg16", "efficientnet_b0", "inceptionv3", "vit_base_16", "convnext_tiny", "r3d_18"])
    func heads(backbone: String) throws {
        let beside: [String: [Int]] = [
            "classifier.7.weight": [10, 4096], "head.2.weight": [3, 3], "fc_norm.weight": [8],
            "AuxLogits.conv0.conv.weight": [4, 4],
            "blocks.0.attn.relative_position_index": [49, 49], "layer1.0.total_ops": [1],
        ]
        #expect(throws: Never.self) { try Self.resolved([Self.shapes(backbone), beside], for: backbone) }
    }

    @Test("OpenMMLab's names of ResNets, and those of torch.nn.Sequential, are recognised") func publishers() throws {
        let renamed = { (rename: (String) -> String) in
            Dictionary(
                Self.resnet18.map { ("backbone." + rename($0.key), $0.value) }, uniquingKeysWith: { first, _ in first })
        }
        let pairs = renamed {
            $0.replacing(/(^|\.)conv(\d)\./) { "\($0.1)conv\($0.2).conv." }.replacing(/(^|\.)bn(\d)\./) {
                "\($0.1)conv\($0.2).bn."
            }.replacing("downsample.0.", with: "downsample.conv.").replacing("downsample.1.", with: "downsample.bn.")
        }
        let places = ["conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7", "fc": "9"]
        let sequential = renamed { name in
            let module = String(name.prefix { $0 != "." })
            return (places[module] ?? module) + name.dropFirst(module.count)
        }
        for shapes in [pairs, sequential] {
            let found = try Self.resolved([shapes])
            #expect(found.checkpoint.shapes.filter { $0.key != "fc.weight" && $0.key != "fc.bias" }.count >= 100)
            #expect(Backbone.looking(like: found.checkpoint.shapes)?.name == "resnet18")
        }
    }

    @Test("position embeddings of another square grid are accepted, with a note of its size; others are rejected")
    func grids() throws {
        func grid(_ backbone: String, places: Int) throws -> Int? {
            var shapes = Self.shapes(backbone)
            shapes["pos_embed"]?[1] = places
            return try Self.resolved([shapes], for: backbone).grid
        }
        #expect(try grid("vit_tiny_16", places: 1 + 24 * 24) == 24)
        #expect(try grid("vit_tiny_16", places: 1 + 14 * 14) == nil)
        #expect(try grid("siglip_b16", places: 16 * 16) == 16)
        #expect(try grid("dinov2_vits14_reg", places: 16 * 16) == 16)
        // Not a square grid: the tensor is unchanged, and does not fit.
        #expect(try grid("vit_tiny_16", places: 1 + 14 * 10) == nil)
        #expect(Backbone.named("vit_tiny_16")?.fits(["pos_embed": [1, 1 + 14 * 10, 192]]) == false)
    }

    @Test(
        "files of other kinds are rejected with errors that name the kind and what to do",
        arguments: [
            ("<!DOCTYPE html>\n<html>", "an HTML page"),
            ("version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            ("\u{1F}\u{8B}", "gunzip"), ("", "an empty file"), (#"{"error": "Not Found"}"#, "a JSON document"),
            ("BZh9", "bunzip2"),
            ("GGUF", "llama.cpp"),
        ])
    func foreign(content: String, words: String) throws {
        let scratch = ScratchFolder()
        let bytes = content == "\u{1F}\u{8B}" ? Data([0x1F, 0x8B, 8, 0]) : Data(content.utf8)
        let path = try scratch.file("weights.pth", bytes)
        let text = refusal(of: WeightsError.self) { try openWeights(path: path) }
        #expect(text.contains(words) && text.hasSuffix("."), "\(text)")
    }
}

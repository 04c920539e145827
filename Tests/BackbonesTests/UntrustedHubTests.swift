import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import Backbones

/// What lies beside a weight file in a hub's folder, changed by somebody.
@Suite struct UntrustedHubTests {
    let folder = ScratchFolder()

    @Test("a configuration beside a weight file that is a named pipe, or nested deeply, says nothing and takes no time")
    func configurations() throws {
        let start = ContinuousClock.now
        try #require(mkfifo(folder.path + "/config.json", 0o600) == 0)
        try folder.file("open_clip_config.json", "{\"model_cfg\":" + String(repeating: "[", count: 500_000))
        let hub = HubConfiguration(beside: folder.path + "/model.safetensors")
        #expect(hub.numerics == nil && hub.input == nil)
        #expect(ContinuousClock.now - start < soon)
    }

    @Test(
        "a named pipe given as weights is refused at once, whatever its name", arguments: ["w.h5", "w.onnx", "w.pth"])
    func pipes(name: String) throws {
        let path = folder.path + "/" + name
        try #require(mkfifo(path, 0o600) == 0)
        let start = ContinuousClock.now
        let error = #expect(throws: (any Error).self) { try openWeights(path: path) }
        #expect(error?.localizedDescription.contains("it is a named pipe, not a regular file") ?? false)
        #expect(ContinuousClock.now - start < soon)
    }

    @Test("tensors without dimensions under published names end nothing") func scalars() throws {
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
            let others = [TimmWeights(checkpoint) as (any Checkpoint)?, RenamedWeights(checkpoint)]
            for weights in others.compactMap({ $0 }) + [checkpoint] {
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

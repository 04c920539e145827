import NeuralNetwork

/// Tensor names of torchvision, OpenAI, open_clip, transformers and Meta for vision transformers.
extension RenamedWeights {
    static var transformerSchemes: [Scheme] {
        [
            Scheme("torchvision", "conv_proj.weight", [.torchvision], torchvisionTransformer),
            Scheme(
                "OpenAI and open_clip", "visual.class_embedding", [.openai, .openCLIP], names: .clip, openCLIP),
            Scheme("open_clip", "visual.trunk.patch_embed.proj.weight", [.timm, .openCLIP], names: .own, trunk),
            Scheme(
                "transformers", "embeddings.patch_embedding.weight", [.transformers, .timm, .openai, .openCLIP],
                names: .clip, imageTower),
            Scheme("transformers", "embeddings.position_embeddings", [.timm], transformersDINO),
            Scheme("Meta", "mask_token", [.timm], metaDINO),
        ]
    }

    private static func torchvisionTransformer(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["conv_proj.weight"] != nil, found["encoder.pos_embedding"] != nil else { return nil }
        let ends = [
            "class_token": "cls_token", "encoder.pos_embedding": "pos_embed",
            "conv_proj.weight": "patch_embed.proj.weight", "conv_proj.bias": "patch_embed.proj.bias",
            "encoder.ln.weight": "norm.weight", "encoder.ln.bias": "norm.bias", "heads.head.weight": "head.weight",
            "heads.head.bias": "head.bias",
        ]
        // Files older than torchvision 0.14 have `linear_1` and `linear_2`.
        let parts = [
            "ln_1": "norm1", "self_attention.in_proj": "attn.qkv", "self_attention.out_proj": "attn.proj",
            "ln_2": "norm2",
            "mlp.0": "mlp.fc1", "mlp.3": "mlp.fc2", "mlp.linear_1": "mlp.fc1", "mlp.linear_2": "mlp.fc2",
        ]
        return renamed(found) { name in
            ends[name] ?? blockName(name, #/encoder\.layers\.encoder_layer_(\d+)\.(.+)[._](weight|bias)/#, parts)
        }
    }

    /// `blocks.N.part.leaf` from a name in which the pattern matches number, part and leaf.
    private static func blockName(
        _ name: String, _ pattern: Regex<(Substring, Substring, Substring, Substring)>, _ parts: [String: String]
    ) -> String? {
        guard let match = name.wholeMatch(of: pattern), let part = parts[String(match.2)] else { return nil }
        return "blocks.\(match.1).\(part).\(match.3)"
    }

    private static func openCLIP(_ found: [String: [Int]]) -> [String: Source]? {
        guard let width = found["visual.class_embedding"]?.first, let positions = found["visual.positional_embedding"]
        else { return nil }
        let ends = [
            "visual.conv1.weight": "patch_embed.proj.weight", "visual.ln_pre.weight": "norm_pre.weight",
            "visual.ln_pre.bias": "norm_pre.bias", "visual.ln_post.weight": "norm.weight",
            "visual.ln_post.bias": "norm.bias",
        ]
        let parts = [
            "ln_1": "norm1", "attn.in_proj": "attn.qkv", "attn.out_proj": "attn.proj", "ln_2": "norm2",
            "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
        ]
        var result = renamed(found.filter { $0.key.hasPrefix("visual.") }) { name in
            ends[name] ?? blockName(name, #/visual\.transformer\.resblocks\.(\d+)\.(.+)[._](weight|bias)/#, parts)
        }
        result["cls_token"] = .reshaped("visual.class_embedding", [1, 1, width])
        result["pos_embed"] = .reshaped("visual.positional_embedding", [1] + positions)
        if found["visual.proj"] != nil { result["head.weight"] = .transposed("visual.proj") }
        return result
    }

    /// open_clip's wrapper around a timm network.
    private static func trunk(_ found: [String: [Int]]) -> [String: Source]? {
        guard found.keys.contains(where: { $0.hasPrefix("visual.trunk.") }) else { return nil }
        let own = found.filter { $0.key.hasPrefix("visual.trunk.") || $0.key == "visual.head.proj.weight" }
        return renamed(own) { name in
            name == "visual.head.proj.weight" ? "head.weight" : String(name.dropFirst("visual.trunk.".count))
        }
    }

    /// CLIP's and SigLIP's image towers as saved by `transformers`, with or without text towers.
    private static func imageTower(_ found: [String: [Int]]) -> [String: Source]? {
        let prefixes = ["", "vision_model.", "model.vision_model."]
        guard let prefix = prefixes.first(where: { found[$0 + "embeddings.patch_embedding.weight"] != nil }) else {
            return nil
        }
        let ends = [
            "embeddings.patch_embedding.weight": "patch_embed.proj.weight",
            "embeddings.patch_embedding.bias": "patch_embed.proj.bias", "pre_layrnorm.weight": "norm_pre.weight",
            "pre_layrnorm.bias": "norm_pre.bias", "post_layernorm.weight": "norm.weight",
            "post_layernorm.bias": "norm.bias", "head.probe": "attn_pool.latent",
            "head.attention.out_proj.weight": "attn_pool.proj.weight",
            "head.attention.out_proj.bias": "attn_pool.proj.bias", "head.layernorm.weight": "attn_pool.norm.weight",
            "head.layernorm.bias": "attn_pool.norm.bias", "head.mlp.fc1.weight": "attn_pool.mlp.fc1.weight",
            "head.mlp.fc1.bias": "attn_pool.mlp.fc1.bias", "head.mlp.fc2.weight": "attn_pool.mlp.fc2.weight",
            "head.mlp.fc2.bias": "attn_pool.mlp.fc2.bias",
        ]
        let parts = [
            "layer_norm1": "norm1", "self_attn.out_proj": "attn.proj", "layer_norm2": "norm2", "mlp.fc1": "mlp.fc1",
            "mlp.fc2": "mlp.fc2",
        ]
        let own = found.filter { $0.key.hasPrefix(prefix) }
        var result = renamed(own) { name in
            let name = String(name.dropFirst(prefix.count))
            return ends[name] ?? blockName(name, #/encoder\.layers\.(\d+)\.(.+)\.(weight|bias)/#, parts)
        }
        joinAttention(
            own, #/(.*encoder\.layers\.(\d+)\.self_attn\.)q_proj\.(weight|bias)/#, &result,
            ["q_proj.", "k_proj.", "v_proj."])
        if let width = own[prefix + "embeddings.class_embedding"]?.first {
            result["cls_token"] = .reshaped(prefix + "embeddings.class_embedding", [1, 1, width])
        }
        if let positions = own[prefix + "embeddings.position_embedding.weight"] {
            result["pos_embed"] = .reshaped(prefix + "embeddings.position_embedding.weight", [1] + positions)
        }
        if found["visual_projection.weight"] != nil { result["head.weight"] = .tensor("visual_projection.weight") }
        for (leaf, name) in [("weight", "in_proj_weight"), ("bias", "in_proj_bias")] {
            guard let shape = own[prefix + "head.attention." + name], let first = shape.first, first % 3 == 0 else {
                continue
            }
            let (size, rest) = (first / 3, Array(shape.dropFirst()))
            result["attn_pool.q." + leaf] = .rows(prefix + "head.attention." + name, 0..<size, [size] + rest)
            result["attn_pool.kv." + leaf] = .rows(
                prefix + "head.attention." + name, size..<3 * size, [2 * size] + rest)
        }
        return result
    }

    /// Concatenates query, key and value, which are separate in `transformers`.
    private static func joinAttention(
        _ found: [String: [Int]], _ pattern: Regex<(Substring, Substring, Substring, Substring)>,
        _ result: inout [String: Source], _ parts: [String]
    ) {
        for name in found.keys {
            guard let match = name.wholeMatch(of: pattern) else { continue }
            result["blocks.\(match.2).attn.qkv.\(match.3)"] = .joined(parts.map { "\(match.1)\($0)\(match.3)" })
        }
    }

    private static func transformersDINO(_ found: [String: [Int]]) -> [String: Source]? {
        let prefixes = ["", "dinov2.", "dinov2_with_registers."]
        guard let prefix = prefixes.first(where: { found[$0 + "embeddings.position_embeddings"] != nil }),
            found.keys.contains(where: { $0.hasSuffix(".layer_scale1.lambda1") })
        else { return nil }
        let ends = [
            "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
            "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias", "layernorm.weight": "norm.weight",
            "layernorm.bias": "norm.bias", "embeddings.register_tokens": "reg_token",
        ]
        let parts = [
            "norm1": "norm1", "attention.output.dense": "attn.proj", "attention.o_proj": "attn.proj", "norm2": "norm2",
            "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
        ]
        let own = found.filter { $0.key.hasPrefix(prefix) }
        var result = renamed(own) { name in
            let name = String(name.dropFirst(prefix.count))
            if let match = name.wholeMatch(of: /encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1/) {
                return "blocks.\(match.1).ls\(match.2).gamma"
            }
            return ends[name] ?? blockName(name, #/encoder\.layer\.(\d+)\.(.+)\.(weight|bias)/#, parts)
        }
        // transformers 5 has other names in memory than in its files.
        joinAttention(
            own, #/(.*encoder\.layer\.(\d+)\.attention\.attention\.)query\.(weight|bias)/#, &result,
            ["query.", "key.", "value."])
        joinAttention(
            own, #/(.*encoder\.layer\.(\d+)\.attention\.)q_proj\.(weight|bias)/#, &result,
            ["q_proj.", "k_proj.", "v_proj."])
        setPositions(
            found, &result, classToken: prefix + "embeddings.cls_token",
            positions: prefix + "embeddings.position_embeddings", registers: prefix + "embeddings.register_tokens")
        return result
    }

    private static func metaDINO(_ found: [String: [Int]]) -> [String: Source]? {
        guard found["mask_token"] != nil, found["blocks.0.ls1.gamma"] != nil else { return nil }
        var result = renamed(found) { $0 == "register_tokens" ? "reg_token" : nil }
        setPositions(found, &result, classToken: "cls_token", positions: "pos_embed", registers: "register_tokens")
        return result
    }

    /// With registers, timm adds the class token's position embedding to the token itself.
    private static func setPositions(
        _ found: [String: [Int]], _ result: inout [String: Source], classToken: String, positions: String,
        registers: String
    ) {
        result["cls_token"] = .tensor(classToken)
        result["pos_embed"] = .tensor(positions)
        guard found[registers] != nil, let shape = found[positions], shape.count == 3, shape[1] > 1 else { return }
        result["cls_token"] = .sumWithFirstRow(classToken, positions)
        result["pos_embed"] = .rows(positions, 1..<shape[1], [1, shape[1] - 1, shape[2]])
    }
}

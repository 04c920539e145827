import NeuralNetwork

/// An Image is Worth 16x16 Words, Dosovitskiy et al. 2020 (arXiv:2010.11929), and networks based on it: DINOv2 (Oquab
/// et al. 2023, arXiv:2304.07193), with registers (Darcet et al. 2023, arXiv:2309.16588), and the image towers of CLIP
/// (Radford et al. 2021, arXiv:2103.00020), SigLIP (Zhai et al. 2023, arXiv:2303.15343) and SigLIP 2 (Tschannen et al.
/// 2025, arXiv:2502.14786). Parameter names are timm's. Pre-norm. Position embeddings are interpolated as in timm.
struct VisionTransformer: Sendable {
    /// Elements per token, blocks, attention heads.
    package enum Size: String, CaseIterable, Sendable {
        case tiny, small, base, large

        var width: Int {
            switch self {
            case .tiny: 192
            case .small: 384
            case .base: 768
            case .large: 1024
            }
        }
        var blocks: Int { self == .large ? 24 : 12 }
        var heads: Int { width / 64 }
    }

    package enum Family: Sendable, Equatable {
        /// Class token and classifier.
        case supervised
        /// Layer scale and `registers` register tokens.
        case dino(registers: Int)
        /// Norm before the blocks, patch embedding without bias, class token projected to `projection` elements.
        case clip(projection: Int)
        /// No class token; attention pooling with a learned query.
        case siglip
    }

    let size: Size
    let family: Family
    /// Side of a patch, in pixels.
    let patch: Int
    /// Side of the patch grid on which position embeddings were learned.
    let grid: Int
    let activation: Activation

    init(_ size: Size, _ family: Family, patch: Int, grid: Int, activation: Activation = .gelu) {
        (self.size, self.family, self.patch, self.grid, self.activation) = (size, family, patch, grid, activation)
    }

    private var isCLIP: Bool {
        if case .clip = family { return true }
        return false
    }

    private var registers: Int {
        if case .dino(let registers) = family { return registers }
        return 0
    }

    private var epsilon: Float { isCLIP ? 1e-5 : 1e-6 }

    /// Outputs `tokens` (patches after the last normalisation) `[width, side, side]`, their `mean` and `pooled`
    /// `[width]`, `logits` of supervised networks, `projected` of CLIP and SigLIP; `activations`: the last attention's
    /// input.
    func graph(imageSize: Int) -> Graph {
        precondition(imageSize % patch == 0, "\(imageSize) pixels in patches of \(patch)")
        let side = imageSize / patch
        let embedding = TokenEmbedding(
            hasClassToken: family != .siglip, registers: registers, grid: grid,
            positionsCoverClass: family != .siglip && registers == 0)
        var builder = GraphBuilder()
        let image = builder.image(imageSize)
        let window = Window(kernel: Extent(patch), stride: Extent(patch))
        var x = builder.convolution(
            "patch_embed.proj", image, Convolution(outChannels: size.width, window: window, hasBias: !isCLIP))
        x = builder.tokens("", x, embedding)
        if isCLIP { x = normalized(&builder, "norm_pre", x) }
        var attended = x
        for block in 0..<size.blocks { (x, attended) = self.block(&builder, "blocks.\(block)", x) }
        x = normalized(&builder, "norm", x)
        var outputs = [
            "tokens": builder.tokenMap("tokens", x, skipping: embedding.prefix, height: side),
            "mean": builder.tokenMean("mean", x, skipping: embedding.prefix), "activations": attended,
        ]
        let pooled = family == .siglip ? attentionPooled(&builder, x) : builder.classToken("class_token", x)
        outputs["pooled"] = pooled
        switch family {
        case .supervised: outputs["logits"] = builder.linear("head", pooled, out: 1000)
        case .clip(let projection):
            outputs["projected"] = builder.linear("head", pooled, out: projection, hasBias: false)
        case .siglip: outputs["projected"] = pooled
        case .dino: break
        }
        return builder.build(outputs: outputs)
    }

    /// - Returns: the block's output, and the input of its attention.
    private func block(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID
    ) -> (output: Graph.NodeID, attended: Graph.NodeID) {
        let hasScale = if case .dino = family { true } else { false }
        return builder.transformerBlock(
            name, input, heads: size.heads, activation, epsilon: epsilon, hasScale: hasScale)
    }

    private func attentionPooled(_ builder: inout GraphBuilder, _ input: Graph.NodeID) -> Graph.NodeID {
        var x = builder.linear("attn_pool.kv", input, out: 2 * size.width)
        x = builder.latentAttention("attn_pool", x, heads: size.heads)
        x = builder.linear("attn_pool.proj", x, out: size.width)
        let y = builder.mlp("attn_pool.mlp", normalized(&builder, "attn_pool.norm", x), activation)
        return builder.add("attn_pool.add", y, x)
    }

    private func normalized(_ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID) -> Graph.NodeID {
        builder.layerNormalization(name, input, epsilon: epsilon, spread: 0.2)
    }
}

extension GraphBuilder {
    /// A pre-norm block with layer scale if `hasScale`. Returns the output, and the input of the attention.
    mutating func transformerBlock(
        _ name: String, _ input: NodeID, heads: Int, _ activation: Activation, epsilon: Float, isCausal: Bool = false,
        hasScale: Bool = false
    ) -> (output: NodeID, attended: NodeID) {
        let width = shape(of: input).rowSize
        let attended = layerNormalization(name + ".norm1", input, epsilon: epsilon, spread: 0.2)
        var y = linear(name + ".attn.qkv", attended, out: 3 * width)
        y = tokenAttention(name + ".attn", y, heads: heads, isCausal: isCausal)
        y = linear(name + ".attn.proj", y, out: width)
        let x = add(name + ".add1", hasScale ? channelScale(name + ".ls1.gamma", y) : y, input)
        y = mlp(name + ".mlp", layerNormalization(name + ".norm2", x, epsilon: epsilon, spread: 0.2), activation)
        return (add(name + ".add2", hasScale ? channelScale(name + ".ls2.gamma", y) : y, x), attended)
    }

    mutating func mlp(_ name: String, _ input: NodeID, _ activation: Activation) -> NodeID {
        let width = shape(of: input).rowSize
        let x = self.activation(activation, linear(name + ".fc1", input, out: 4 * width))
        return linear(name + ".fc2", x, out: width)
    }
}

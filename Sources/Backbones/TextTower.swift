import NeuralNetwork

/// The text towers of CLIP (Radford et al. 2021, arXiv:2103.00020) and of SigLIP (Zhai et al. 2023, arXiv:2303.15343; the
/// second: Tschannen et al. 2025, arXiv:2502.14786): transformers whose last token stands for the text, projected into the
/// space of the image tower.
///
/// Parameter names are those of the image towers, with `text.` in front.
public struct TextTower: Sendable, Equatable {
    /// Numbers of a token, blocks, heads.
    public let width, blocks, heads: Int
    /// Numbers of the space that texts and pictures share.
    public let projection: Int
    /// Tokens of the longest text.
    public let contextLength: Int
    /// Between the two layers behind each attention.
    public let activation: Activation
    /// Whether a token looks at itself and those before it only: CLIP's, whose texts end where their last token is. SigLIP's
    /// are padded to `contextLength`, and the padding is looked at too.
    public let isCausal: Bool
    /// Whether the projection has a bias.
    public let hasBias: Bool
    private var epsilon: Float { isCausal ? 1e-5 : 1e-6 }

    /// The tower that belongs to an image tower; nil where there is none.
    public init?(of backbone: String, _ numerics: Numerics) {
        switch backbone {
        case "clip_vitb32", "clip_vitb16", "clip_vitl14":
            let isLarge = backbone == "clip_vitl14"
            (width, blocks, heads) = isLarge ? (768, 12, 12) : (512, 12, 8)
            (projection, contextLength, isCausal, hasBias) = (isLarge ? 768 : 512, 77, true, false)
            activation = numerics == .openai ? .quickGELU : .gelu
        case "siglip_b16", "siglip2_b16":
            (width, blocks, heads) = (768, 12, 12)
            (projection, contextLength, isCausal, hasBias) = (768, 64, false, true)
            activation = numerics == .timm ? .gelu : .geluTanh
        default: return nil
        }
    }

    /// Embeddings of tokens, `[vocabulary, width]`.
    public func embedding(vocabulary: Int) -> Graph.Parameter {
        Graph.Parameter(
            name: "text.token_embedding.weight", shape: [vocabulary, width], initializer: .init(spread: 0.1),
            isTrainable: true)
    }

    /// Embeddings of places, `[1, contextLength, width]`.
    public var positions: Graph.Parameter {
        Graph.Parameter(
            name: "text.pos_embed", shape: [1, contextLength, width], initializer: .init(spread: 0.1), isTrainable: true
        )
    }

    /// From embedded tokens `[count, width]` to `projected` `[projection]`, which the last of them becomes.
    public func graph(tokens count: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.tokens(count: count, size: width), name: "text")
        for block in 0..<blocks { x = self.block(&builder, "text.blocks.\(block)", x) }
        x = normalized(&builder, "text.norm", x)
        let last = builder.tokenMean("text.last", x, skipping: count - 1)
        let projected = builder.linear("text.head", last, out: projection, hasBias: hasBias)
        return builder.build(outputs: ["projected": projected])
    }

    private func block(_ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID) -> Graph.NodeID {
        var y = builder.linear(
            name + ".attn.qkv", normalized(&builder, name + ".norm1", input), out: 3 * width)
        y = builder.tokenAttention(name + ".attn", y, heads: heads, isCausal: isCausal)
        y = builder.linear(name + ".attn.proj", y, out: width)
        let x = builder.add(name + ".add1", y, input)
        y = builder.linear(name + ".mlp.fc1", normalized(&builder, name + ".norm2", x), out: 4 * width)
        y = builder.linear(name + ".mlp.fc2", builder.activation(activation, y), out: width)
        return builder.add(name + ".add2", y, x)
    }

    private func normalized(_ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID) -> Graph.NodeID {
        builder.layerNormalization(name, input, epsilon: epsilon, spread: 0.2)
    }
}

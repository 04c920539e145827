import NeuralNetwork

/// The text towers of CLIP (Radford et al. 2021, arXiv:2103.00020), SigLIP (Zhai et al. 2023, arXiv:2303.15343) and
/// SigLIP 2 (Tschannen et al. 2025, arXiv:2502.14786): transformers whose last token is projected into the joint
/// embedding space. Parameter names are those of the image towers, prefixed with `text.`.
package struct TextTower: Sendable, Equatable {
    /// Elements per token, blocks, attention heads.
    package let width, blocks, heads: Int
    /// Elements of the joint embedding.
    package let projection: Int
    /// Maximum tokens of a text.
    package let contextLength: Int
    package let activation: Activation
    /// Whether a token attends only to itself and earlier tokens. CLIP is causal; its texts end at their last token.
    /// SigLIP is not: texts are padded to `contextLength`, and padding takes part in attention.
    package let isCausal: Bool
    package let hasBias: Bool
    private var epsilon: Float { isCausal ? 1e-5 : 1e-6 }

    /// The text tower of an image tower; nil if there is none.
    package init?(of backbone: String, _ numerics: Numerics) {
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

    /// Token embeddings, `[vocabulary, width]`.
    package func embedding(vocabulary: Int) -> Graph.Parameter {
        Graph.Parameter(
            name: "text.token_embedding.weight", shape: [vocabulary, width], initializer: .init(spread: 0.1),
            isTrainable: true)
    }

    /// Position embeddings, `[1, contextLength, width]`.
    package var positions: Graph.Parameter {
        Graph.Parameter(
            name: "text.pos_embed", shape: [1, contextLength, width], initializer: .init(spread: 0.1), isTrainable: true
        )
    }

    /// From embedded tokens `[count, width]` to `projected` `[projection]`, computed from the last token.
    package func graph(tokens count: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.tokens(count: count, size: width), name: "text")
        for block in 0..<blocks {
            (x, _) = builder.transformerBlock(
                "text.blocks.\(block)", x, heads: heads, activation, epsilon: epsilon, isCausal: isCausal)
        }
        x = builder.layerNormalization("text.norm", x, epsilon: epsilon, spread: 0.2)
        let last = builder.tokenMean("text.last", x, skipping: count - 1)
        let projected = builder.linear("text.head", last, out: projection, hasBias: hasBias)
        return builder.build(outputs: ["projected": projected])
    }
}

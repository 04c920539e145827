/// The nodes of vision transformers and of ConvNeXt.
extension GraphBuilder {
    /// A learned factor for each channel; random ones lie around one half.
    public mutating func channelScale(_ name: String, _ input: NodeID) -> NodeID {
        let factor = parameter(name, [shape(of: input).rowSize], .init(centre: 0.5, spread: 0.3))
        return append(name, .channelScale, [input], shape(of: input), [factor])
    }

    /// x + bias + weight · x · ‖x‖ / mean ‖x‖, where ‖x‖ is a channel's length over all pixels.
    public mutating func responseNormalization(_ name: String, _ input: NodeID, epsilon: Float = 1e-6) -> NodeID {
        let size = shape(of: input).rowSize
        let parameters = [
            parameter(name + ".weight", [size], .init(spread: 0.5)),
            parameter(name + ".bias", [size], .init(spread: 0.1)),
        ]
        return append(name, .responseNormalization(epsilon: epsilon), [input], shape(of: input), parameters)
    }

    /// Patches `[channels, height, width]` → tokens, with learned ones in front, and positions added.
    ///
    /// - `prefix`: what stands before `cls_token`, `reg_token` and `pos_embed` in parameter names.
    public mutating func tokens(_ prefix: String, _ input: NodeID, _ embedding: TokenEmbedding) -> NodeID {
        guard case .image(let size, let height, let width) = shape(of: input) else {
            preconditionFailure("patches are an image, not \(shape(of: input))")
        }
        var parameters: [Int] = []
        if embedding.hasClassToken {
            parameters.append(parameter(prefix + "cls_token", [1, 1, size], .init(spread: 0.1)))
        }
        if embedding.registers > 0 {
            parameters.append(parameter(prefix + "reg_token", [1, embedding.registers, size], .init(spread: 0.1)))
        }
        let places = embedding.grid * embedding.grid + (embedding.positionsCoverClass ? 1 : 0)
        parameters.append(parameter(prefix + "pos_embed", [1, places, size], .init(spread: 0.1)))
        return append(
            prefix + "pos_embed", .tokens(embedding), [input],
            .tokens(count: embedding.prefix + height * width, size: size), parameters)
    }

    /// Attention between the tokens of one picture; the input holds query, key and value side by side, as timm's `qkv`.
    ///
    /// - `isCausal`: whether a token looks at itself and those before it only.
    public mutating func tokenAttention(
        _ name: String, _ input: NodeID, heads: Int, isCausal: Bool = false
    ) -> NodeID {
        guard case .tokens(let count, let size) = shape(of: input), size % (3 * heads) == 0 else {
            preconditionFailure("\(name): \(shape(of: input)) for \(heads) heads")
        }
        let operation: Operation = isCausal ? .causalAttention(heads: heads) : .selfAttention(heads: heads)
        return append(name, operation, [input], .tokens(count: count, size: size / 3))
    }

    /// Attention of one learned query, `name.latent` through `name.q`, to tokens that hold key and value side by side.
    public mutating func latentAttention(_ name: String, _ input: NodeID, heads: Int) -> NodeID {
        let size = shape(of: input).rowSize / 2
        precondition(size % heads == 0, "\(name): \(size) numbers for \(heads) heads")
        let parameters = [
            parameter(name + ".latent", [1, 1, size], .init(spread: 1)),
            parameter(name + ".q.weight", [size, size], .fan(size)), parameter(name + ".q.bias", [size], .fan(size)),
        ]
        return append(name, .latentAttention(heads: heads), [input], .vector(size), parameters)
    }

    /// The first token.
    public mutating func classToken(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .classToken, [input], .vector(shape(of: input).rowSize))
    }

    /// Mean over the tokens behind the first `skipping`.
    public mutating func tokenMean(_ name: String, _ input: NodeID, skipping: Int) -> NodeID {
        append(name, .tokenMean(skipping: skipping), [input], .vector(shape(of: input).rowSize))
    }

    /// The tokens behind the first `skipping` as an image of `height` rows.
    public mutating func tokenMap(_ name: String, _ input: NodeID, skipping: Int, height: Int) -> NodeID {
        guard case .tokens(let count, let size) = shape(of: input), (count - skipping) % height == 0 else {
            preconditionFailure("\(name): \(shape(of: input)) in \(height) rows")
        }
        return append(
            name, .tokenMap(skipping: skipping), [input],
            .image(channels: size, height: height, width: (count - skipping) / height))
    }
}

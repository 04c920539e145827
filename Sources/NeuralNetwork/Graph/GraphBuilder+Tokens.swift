extension GraphBuilder {
    /// A learned factor per channel; random ones are drawn around 0.5.
    package mutating func channelScale(_ name: String, _ input: NodeID) -> NodeID {
        let factor = parameter(name, [shape(of: input).rowSize], .init(centre: 0.5, spread: 0.3))
        return append(name, .channelScale, [input], shape(of: input), [factor])
    }

    /// x + bias + weight · x · ‖x‖ / mean ‖x‖, where ‖x‖ is the L2 norm of a channel over all pixels.
    package mutating func responseNormalization(_ name: String, _ input: NodeID, epsilon: Float = 1e-6) -> NodeID {
        let size = shape(of: input).rowSize
        let parameters = [
            parameter(name + ".weight", [size], .init(spread: 0.5)),
            parameter(name + ".bias", [size], .init(spread: 0.1)),
        ]
        return append(name, .responseNormalization(epsilon: epsilon), [input], shape(of: input), parameters)
    }

    /// Patches `[channels, height, width]` → tokens with learned tokens prepended and position embeddings added.
    /// `prefix`: prepended to `cls_token`, `reg_token` and `pos_embed` in parameter names.
    package mutating func tokens(_ prefix: String, _ input: NodeID, _ embedding: TokenEmbedding) -> NodeID {
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

    /// Multi-head attention between the tokens of one image. The input is query, key and value concatenated, as in
    /// timm's `qkv`. `isCausal`: whether a token attends only to itself and earlier tokens.
    package mutating func tokenAttention(
        _ name: String, _ input: NodeID, heads: Int, isCausal: Bool = false
    ) -> NodeID {
        guard case .tokens(let count, let size) = shape(of: input), size % (3 * heads) == 0 else {
            preconditionFailure("\(name): \(shape(of: input)) for \(heads) heads")
        }
        let operation: Operation = isCausal ? .causalAttention(heads: heads) : .selfAttention(heads: heads)
        return append(name, operation, [input], .tokens(count: count, size: size / 3))
    }

    package mutating func latentAttention(_ name: String, _ input: NodeID, heads: Int) -> NodeID {
        let size = shape(of: input).rowSize / 2
        precondition(size % heads == 0, "\(name): \(size) elements for \(heads) heads")
        let parameters = [
            parameter(name + ".latent", [1, 1, size], .init(spread: 1)),
            parameter(name + ".q.weight", [size, size], .fan(size)), parameter(name + ".q.bias", [size], .fan(size)),
        ]
        return append(name, .latentAttention(heads: heads), [input], .vector(size), parameters)
    }

    package mutating func classToken(_ name: String, _ input: NodeID) -> NodeID {
        append(name, .classToken, [input], .vector(shape(of: input).rowSize))
    }

    package mutating func tokenMean(_ name: String, _ input: NodeID, skipping: Int) -> NodeID {
        append(name, .tokenMean(skipping: skipping), [input], .vector(shape(of: input).rowSize))
    }

    package mutating func tokenMap(_ name: String, _ input: NodeID, skipping: Int, height: Int) -> NodeID {
        guard case .tokens(let count, let size) = shape(of: input), (count - skipping) % height == 0 else {
            preconditionFailure("\(name): \(shape(of: input)) in \(height) rows")
        }
        return append(
            name, .tokenMap(skipping: skipping), [input],
            .image(channels: size, height: height, width: (count - skipping) / height))
    }
}

extension GraphBuilder {
    /// Adds a node whose shape the importer has computed. Such nodes have no initialiser for random weights.
    /// `parameters`: in the order that the operation documents.
    package mutating func node(
        _ name: String, _ operation: Operation, _ inputs: [NodeID], _ shape: Graph.Shape,
        parameters: [(name: String, shape: [Int])] = []
    ) -> NodeID {
        let indices = parameters.map { parameter($0.name, $0.shape, .init(spread: 0)) }
        return append(name, operation, inputs, shape, indices)
    }
}

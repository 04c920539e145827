import Inference
import NeuralNetwork

/// The nodes of vision transformers and of ConvNeXt.
extension DifferentiablePlan {
    func tokens(
        _ node: Graph.Node, _ input: Matrix, _ parameters: [UnsafePointer<Float>]
    ) throws -> (Matrix, Saved?) {
        let (size, source) = (node.shape.rowSize, graph[node.inputs[0]].shape)
        switch node.operation {
        case .layerNormalization(let epsilon):
            let (output, normalized, scales) = LayerNormalizationLayer.forward(
                input.inRows(of: size), epsilon: epsilon, weight: parameters[0], bias: parameters[1])
            return (output.inRows(of: node.shape.size), .rows(normalized, scales: scales))
        case .channelScale: return (ChannelFactorLayer.forward(input, factors: parameters[0], channels: size), nil)
        case .responseNormalization(let epsilon):
            let (output, lengths) = ResponseNormalizationLayer(channels: size, epsilon: epsilon)
                .forward(input, weight: parameters[0], bias: parameters[1])
            return (output, .lengths(lengths))
        case .tokens(let embedding):
            return (TokenLayer(table: TokenTable(embedding, source)).forward(input, parameters), nil)
        case .selfAttention(let heads): return (TokenAttentionLayer(heads: heads, size: size).forward(input), nil)
        case .causalAttention(let heads):
            return (TokenAttentionLayer(heads: heads, size: size, isCausal: true).forward(input), nil)
        case .latentAttention(let heads):
            return (LatentAttentionLayer(heads: heads, size: size).forward(input, parameters), nil)
        case .classToken: return (TokenSlice.forward(input, from: 0, count: size), nil)
        case .tokenMap(let first):
            return (TokenSlice.forward(input, from: first * size, count: node.shape.size), nil)
        case .tokenMean(let first):
            let rest = TokenSlice.forward(input, from: first * size, count: source.size - first * size)
            return (SpatialMeanLayer.forward(rest, channels: size), nil)
        default: throw PlanError.unsupported(node: node.name)
        }
    }

    /// The gradient of the node's input.
    func tokens(
        _ node: Graph.Node, _ gradient: Matrix, _ input: Matrix, _ saved: Saved?, _ parameters: [UnsafePointer<Float>],
        _ targets: [UnsafeMutablePointer<Float>?]
    ) throws -> Matrix {
        let (size, source) = (node.shape.rowSize, graph[node.inputs[0]].shape)
        // Receive gradients that are not needed.
        lazy var unused = [FloatBuffer(size), FloatBuffer(size)]
        switch (node.operation, saved) {
        case (.layerNormalization, .rows(let normalized, let scales)?):
            return LayerNormalizationLayer.backward(
                gradient.inRows(of: size), normalized: normalized, scales: scales, weight: parameters[0],
                weightGradient: targets[0] ?? unused[0].pointer, biasGradient: targets[1] ?? unused[1].pointer
            ).inRows(of: node.shape.size)
        case (.channelScale, _):
            return ChannelFactorLayer.backward(
                gradient, input: input, factors: parameters[0], target: targets[0], channels: size)
        case (.responseNormalization(let epsilon), .lengths(let lengths)?):
            return ResponseNormalizationLayer(channels: size, epsilon: epsilon).backward(
                gradient, input: input, lengths: lengths, weight: parameters[0],
                weightGradient: targets[0] ?? unused[0].pointer, biasGradient: targets[1] ?? unused[1].pointer)
        case (.tokens(let embedding), _):
            return TokenLayer(table: TokenTable(embedding, source)).backward(gradient, into: targets)
        case (.causalAttention(let heads), _):
            return TokenAttentionLayer(heads: heads, size: size, isCausal: true).backward(gradient, input: input)
        case (.selfAttention(let heads), _):
            return TokenAttentionLayer(heads: heads, size: size).backward(gradient, input: input)
        case (.latentAttention(let heads), _):
            return LatentAttentionLayer(heads: heads, size: size).backward(
                gradient, input: input, parameters, into: targets)
        case (.classToken, _): return TokenSlice.backward(gradient, from: 0, columns: source.size)
        case (.tokenMap(let first), _): return TokenSlice.backward(gradient, from: first * size, columns: source.size)
        case (.tokenMean(let first), _):
            let mean = SpatialMeanLayer.backward(gradient, pixels: source.size / size - first)
            return TokenSlice.backward(mean, from: first * size, columns: source.size)
        default: throw PlanError.unsupported(node: node.name)
        }
    }
}

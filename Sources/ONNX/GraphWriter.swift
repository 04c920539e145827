import NeuralNetwork

/// Writes a graph as nodes of an ONNX model with standard operators only. Images are `[batch, channels, height,
/// width]`, tokens `[batch, token, element]`, vectors `[batch, element]`, sequences `[batch, step, element]`.
struct GraphWriter {
    typealias Value = ModelWriter.Value

    let graph: Graph
    let source: any ParameterSource
    /// Prefix of the names of nodes and weights.
    let prefix: String
    /// The mask of a graph over sequences.
    let steps: SequenceMask?
    let model: ModelWriter
    /// Whether each step is an example of its own, so that means over time are the identity.
    var isFramewise = false
    var folding = LayerFolding()
    /// The fixed batch size, if there is one.
    var batch: Int?
    /// Channels of the padded input image, if it has more than the original.
    var inputWidth: Int?

    func write(input: Value, output: Graph.NodeID) throws -> Value {
        var writer = self
        if model.target.isFused {
            writer.folding = LayerFolding(graph, output: output, hasPasses: model.target.hasPasses)
        }
        var values: [Graph.NodeID: Value] = [:]
        for id in graph.ancestry(of: output) {
            let node = graph.nodes[id.index]
            if node.operation == .input {
                values[id] = input
            } else if writer.folding.isProjection(id) {
                values[id] = values[node.inputs[0]]
            } else if let chain = writer.folding.chain(endingAt: id) {
                let (value, normalized) = try writer.write(chain, values)
                values[id] = value
                if let normalization = chain.normalization { values[normalization] = normalized }
            } else if !writer.folding.isAbsorbed(id) {
                values[id] = try writer.write(node, node.inputs.map { values[$0]! })
            }
        }
        return values[output]!
    }

    private func write(_ node: Graph.Node, _ inputs: [Value]) throws -> Value {
        let (x, name) = (inputs[0], prefix + node.name)
        switch node.operation {
        case .convolution, .linear:
            let bias = node.parameters.count > 1 ? try values(node, 1).values : nil
            return try product(node, try values(node, 0), bias, x)
        case .batchNormalization(let epsilon, let hasScale): return try batchNormalization(node, epsilon, hasScale, x)
        case .activation(let activation):
            let fused = model.target.isFused ? fusedActivation(node, activation, x, name) : nil
            return fused ?? self.activation(activation, x, name)
        case .function, .causalAttention: throw ExportError.unknownFunction(node: node.name)
        case .add: return model.node("Add", alike(node, inputs), name: name)
        case .scaleChannels where hasChannelsLast(node.shape):
            let result = model.pass("Scale", alike(node, inputs), [], name: name, outputs: 1)
            annotate(result, node.shape)
            return result[0]
        case .scaleChannels, .multiply: return model.node("Mul", alike(node, inputs), name: name)
        case .gatherChannels(let places):
            return model.node(
                "Gather", [x, model.integers(places)], [.integer("axis", channelAxis(node.shape))], name: name)
        case .concatenation:
            return model.node("Concat", inputs, [.integer("axis", channelAxis(node.shape))], name: name)
        case .maxPooling(let window): return pool(node, window, countsPadding: nil, x)
        case .averagePooling(let window, let countsPadding):
            if model.target.hasPasses, window.isUnpadded, let mean = try fusedMean(node, of: shape(node.inputs[0]), x) {
                return mean
            }
            return pool(node, window, countsPadding: countsPadding, x)
        case .globalAveragePooling:
            if model.target.hasPasses, let mean = try fusedMean(node, of: shape(node.inputs[0]), x) { return mean }
            let mean = model.node("GlobalAveragePool", [x], name: name + ".mean")
            return model.node("Flatten", [mean], name: name)
        case .flatten:
            if hasChannelsLast(shape(node.inputs[0])) { return model.node("Flatten", [x], name: name) }
            let order = shape(node.inputs[0]).isClip ? [0, 2, 3, 4, 1] : [0, 2, 3, 1]
            let rows = model.node("Transpose", [x], [.integers("perm", order)], name: name + ".rows")
            return model.node("Flatten", [rows], name: name)
        case .dropout: return x
        case .layerNormalization(let epsilon): return try layerNormalization(node, epsilon, x)
        case .groupNormalization(let groups, let epsilon): return try groupNormalization(node, groups, epsilon, x)
        case .channelScale: return model.node("Mul", [x, try channels(node, 0)], name: name)
        case .responseNormalization(let epsilon): return try responseNormalization(node, epsilon, x)
        case .tokens(let embedding): return try tokens(node, embedding, x)
        case .selfAttention(let heads):
            return model.target.isFused ? try fusedAttention(node, heads, x) : selfAttention(node, heads, x)
        case .latentAttention(let heads): return try latentAttention(node, heads, x)
        case .classToken:
            let token = model.node(
                "Slice", [x, model.integers([0]), model.integers([1]), model.integers([1])], name: name + ".first")
            return model.node("Flatten", [token], name: name)
        case .tokenMean(let first):
            let patches = behind(first, x, name)
            return model.reduce("ReduceMean", patches, axes: [1], keeps: false, name: name)
        case .tokenMap(let first): return tokenMap(node, first, x)
        case .unitLength:
            return model.node("LpNormalization", [x], [.integer("axis", -1), .integer("p", 2)], name: name)
        case .sequenceMean, .sequenceMax, .recurrent, .finalState, .attentionPooling, .positions,
            .convolutionalRecurrent, .spatialMean:
            return try overTime(node, inputs)
        case .input: return x
        }
    }

    /// Makes shapes compatible: a vector beside an image becomes an image of one pixel, and the reverse.
    private func alike(_ node: Graph.Node, _ inputs: [Value]) -> [Value] {
        zip(node.inputs, inputs).enumerated().map { index, input in
            let name = "\(prefix)\(node.name).alike\(index)"
            switch (node.shape, graph.nodes[input.0.index].shape) {
            case (.image, .vector):
                let axes = hasChannelsLast(node.shape) ? [1, 2] : [2, 3]
                return model.node("Unsqueeze", [input.1, model.integers(axes)], name: name)
            case (.vector, .image): return model.node("Flatten", [input.1], name: name)
            default: return input.1
            }
        }
    }

    func shape(_ id: Graph.NodeID) -> Graph.Shape { graph.nodes[id.index].shape }

    /// The dimension of channels, or of a token's elements.
    func channelAxis(_ shape: Graph.Shape) -> Int {
        if case .tokens = shape { return 2 }
        return hasChannelsLast(shape) ? 3 : 1
    }

    /// A sliding-window operator, for which the standard requires channels first. ONNX Runtime converts it to channels
    /// last and removes redundant transposes.
    func windowed(
        _ type: String, _ inputs: [Value], _ node: Graph.Node, _ attributes: [Attribute], _ name: String
    ) -> Value {
        guard hasChannelsLast(node.shape) else { return model.node(type, inputs, attributes, name: name) }
        let first = channelsFirst(node.shape, inputs[0], name + ".first")
        let result = model.node(type, [first] + inputs.dropFirst(), attributes, name: name + ".window")
        return channelsLast(node.shape, result, name)
    }

    // MARK: - Weights

    func values(_ node: Graph.Node, _ index: Int) throws -> Tensor {
        try source.tensor(for: graph.parameters[node.parameters[index]])
    }

    func parameter(_ node: Graph.Node, _ index: Int, shape: [Int]? = nil) throws -> Value {
        let tensor = try values(node, index)
        let name = prefix + graph.parameters[node.parameters[index]].name
        return try model.weight(name, shape: shape ?? tensor.shape, tensor.values)
    }

    /// A per-channel parameter, shaped for broadcasting to images or rows.
    func channels(_ node: Graph.Node, _ index: Int) throws -> Value {
        let count = graph.parameters[node.parameters[index]].count
        if case .image = node.shape, !hasChannelsLast(node.shape) {
            return try parameter(node, index, shape: [count, 1, 1])
        }
        return try parameter(node, index)
    }
}

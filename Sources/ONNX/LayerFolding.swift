import NeuralNetwork

/// Which operations are done together, where a model is for a GPU: each pass over memory that is saved counts.
///
/// Batch normalisation and layer scale are multiplied into the weights of the layer before; its bias, a residual sum, and
/// an activation or a layer normalisation are one pass over what it gives; what makes query, key and value becomes part of the
/// attention.
struct LayerFolding {
    /// A layer with what is done to its output.
    struct Chain {
        /// A convolution or a linear layer.
        let layer: Graph.NodeID
        /// Factors and summands a channel.
        var factors: [Graph.Node] = []
        /// What is added to it.
        var residual: Graph.NodeID?
        var activation: Activation?
        /// A layer normalisation of the result.
        var normalization: Graph.NodeID?
    }

    /// By the node whose value a chain gives; a normalisation's stands beside it.
    private var chains: [Graph.NodeID: Chain] = [:]
    /// Nodes that a chain stands for.
    private var absorbed: Set<Graph.NodeID> = []
    /// Layers that their attention takes up.
    private var projections: Set<Graph.NodeID> = []

    /// Nothing is joined.
    init() {}

    /// - Parameter hasPasses: whether there are passes for what stands behind a layer; else weights alone change.
    init(_ graph: Graph, output: Graph.NodeID, hasPasses: Bool) {
        let needed = graph.ancestry(of: output)
        var consumers: [Graph.NodeID: [Graph.NodeID]] = [:]
        for id in needed { for input in graph.nodes[id.index].inputs { consumers[input, default: []].append(id) } }
        /// The only reader of a node.
        func reader(_ id: Graph.NodeID) -> (id: Graph.NodeID, node: Graph.Node)? {
            guard id != output, let all = consumers[id], all.count == 1 else { return nil }
            return (all[0], graph.nodes[all[0].index])
        }
        for id in needed where graph.nodes[id.index].isProduct {
            if case .selfAttention? = reader(id)?.node.operation, case .linear = graph.nodes[id.index].operation {
                projections.insert(id)
                continue
            }
            var (chain, end) = (Chain(layer: id), id)
            func take(_ next: Graph.NodeID) {
                absorbed.insert(end)
                end = next
            }
            while let next = reader(end), next.node.isFactor {
                chain.factors.append(next.node)
                take(next.id)
            }
            if hasPasses, graph.nodes[id.index].shape.hasPasses {
                if let next = reader(end), next.node.operation == .add,
                    !absorbed.contains(next.id), chains[next.id] == nil,
                    let other = next.node.inputs.first(where: { $0 != end }),
                    graph.nodes[other.index].shape == next.node.shape
                {
                    chain.residual = other
                    take(next.id)
                }
                if let next = reader(end), case .activation(let activation) = next.node.operation {
                    chain.activation = activation
                    take(next.id)
                } else {
                    let readers = chain.residual == nil ? [reader(end)?.id].compactMap { $0 } : consumers[end] ?? []
                    chain.normalization = readers.first { reader in
                        guard case .layerNormalization = graph.nodes[reader.index].operation else { return false }
                        return !absorbed.contains(reader)
                    }
                    if let normalization = chain.normalization { absorbed.insert(normalization) }
                }
            }
            chains[end] = chain
        }
    }

    /// The layer, and what is joined to it, whose value the node has.
    func chain(endingAt id: Graph.NodeID) -> Chain? { chains[id] }

    /// Whether something else stands for the node.
    func isAbsorbed(_ id: Graph.NodeID) -> Bool { absorbed.contains(id) }

    /// Whether the node's work is done by the attention that reads it.
    func isProjection(_ id: Graph.NodeID) -> Bool { projections.contains(id) }

    /// Weight and bias of a layer with factors multiplied in.
    static func weights(
        _ node: Graph.Node, _ factors: [Graph.Node], _ values: (Graph.Node, Int) throws -> Tensor
    ) throws -> (Tensor, [Float]?) {
        var weight = try values(node, 0)
        let bias = node.parameters.count > 1 ? try values(node, 1).values : nil
        if factors.isEmpty { return (weight, bias) }
        let channels = weight.shape[0]
        var scale = [Double](repeating: 1, count: channels)
        var shift = bias?.map(Double.init) ?? [Double](repeating: 0, count: channels)
        for node in factors {
            let (factor, summand) = try node.affine(values)
            for channel in 0..<channels {
                scale[channel] *= factor[channel]
                shift[channel] = shift[channel] * factor[channel] + summand[channel]
            }
        }
        let size = weight.count / channels
        weight.values.withUnsafeMutableBufferPointer { values in
            for index in values.indices { values[index] = Float(Double(values[index]) * scale[index / size]) }
        }
        let isShifted = bias != nil || shift.contains { $0 != 0 }
        return (weight, isShifted ? shift.map(Float.init) : nil)
    }
}

extension Graph.Shape {
    /// Whether its channels can lie last.
    fileprivate var hasPasses: Bool {
        switch self {
        case .image, .tokens: true
        default: false
        }
    }
}

extension Graph.Node {
    /// Whether it multiplies its input with weights whose first dimension is the output's channels.
    fileprivate var isProduct: Bool {
        switch operation {
        case .convolution, .linear: true
        default: false
        }
    }

    /// Whether it is a factor and a summand a channel.
    fileprivate var isFactor: Bool {
        switch operation {
        case .batchNormalization, .channelScale: true
        default: false
        }
    }

    fileprivate func affine(
        _ values: (Graph.Node, Int) throws -> Tensor
    ) throws -> (factor: [Double], summand: [Double]) {
        let numbers = try parameters.indices.map { try values(self, $0).values.map(Double.init) }
        guard case .batchNormalization(let epsilon, let hasScale) = operation else {
            return (numbers[0], [Double](repeating: 0, count: numbers[0].count))
        }
        let last = numbers.count - 1
        let (bias, mean, variance) = (numbers[last - 2], numbers[last - 1], numbers[last])
        let factor = bias.indices.map {
            (hasScale ? numbers[0][$0] : 1) / (variance[$0] + Double(epsilon)).squareRoot()
        }
        return (factor, bias.indices.map { bias[$0] - mean[$0] * factor[$0] })
    }
}

import NeuralNetwork

/// Operator fusion for GPUs, to save passes over memory. Batch normalisation and layer scale are folded into the
/// weights of the preceding layer; its bias, a residual sum, and an activation or a layer normalisation are one pass
/// over its output; the query, key and value projection is fused into the attention.
struct LayerFolding {
    struct Chain {
        /// A convolution or a linear layer.
        let layer: Graph.NodeID
        var factors: [Graph.Node] = []
        var residual: Graph.NodeID?
        var activation: Activation?
        var normalization: Graph.NodeID?
    }

    /// By the node whose value a chain computes; a normalisation's value is an additional output.
    private var chains: [Graph.NodeID: Chain] = [:]
    private var absorbed: Set<Graph.NodeID> = [], projections: Set<Graph.NodeID> = []

    init() {}

    /// - `hasPasses`: whether fused epilogues are available; otherwise only weights are folded.
    init(_ graph: Graph, output: Graph.NodeID, hasPasses: Bool) {
        let needed = graph.ancestry(of: output)
        var consumers: [Graph.NodeID: [Graph.NodeID]] = [:]
        for id in needed { for input in graph.nodes[id.index].inputs { consumers[input, default: []].append(id) } }
        /// The only reader of a node, or nil.
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
                if let next = reader(end), next.node.operation == .add, !absorbed.contains(next.id),
                    chains[next.id] == nil, let other = next.node.inputs.first(where: { $0 != end }),
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

    func chain(endingAt id: Graph.NodeID) -> Chain? { chains[id] }

    func isAbsorbed(_ id: Graph.NodeID) -> Bool { absorbed.contains(id) }

    func isProjection(_ id: Graph.NodeID) -> Bool { projections.contains(id) }

    /// Weight and bias of a layer with scales and shifts folded in.
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
    /// Whether the layer supports channels last.
    var hasPasses: Bool {
        switch self {
        case .image, .tokens: true
        default: false
        }
    }
}

extension Graph.Node {
    /// Whether it multiplies its input with weights whose first dimension is the output channels.
    fileprivate var isProduct: Bool {
        switch operation {
        case .convolution, .linear: true
        default: false
        }
    }

    /// Whether it is a per-channel scale and shift.
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

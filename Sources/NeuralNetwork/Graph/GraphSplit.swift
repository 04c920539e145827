/// A graph cut in two where one value is all that the second half needs of the first.
extension Graph {
    /// The last node in front of everything trained, which all later nodes read through: up to it a network can be run
    /// once and kept.
    ///
    /// - Parameter trains: whether a parameter is trained.
    package func boundary(output: NodeID, trains: (Parameter) -> Bool) -> NodeID {
        let order = ancestry(of: output)
        let first = order.firstIndex { self[$0].parameters.contains { trains(parameters[$0]) } } ?? order.count - 1
        var boundary = order[0]
        // Nodes that are still read by somebody behind the place in question.
        var lastReader: [NodeID: Int] = [:]
        for (place, id) in order.enumerated() { for input in self[id].inputs { lastReader[input] = place } }
        var open: Set<NodeID> = []
        for (place, id) in order.enumerated() where place < first {
            open.insert(id)
            open = open.filter { lastReader[$0, default: place] > place || $0 == id }
            if open == [id] { boundary = id }
        }
        return boundary
    }

    /// Everything up to a node, which becomes the output `boundary`.
    package func prefix(to boundary: NodeID) -> Graph {
        var graph = self
        graph.outputs = ["boundary": boundary]
        return graph
    }

    /// Everything behind a node up to an output; the node becomes the input.
    package func suffix(from boundary: NodeID, output name: String) -> Graph {
        guard let output = outputs[name] else { return self }
        var graph = Graph()
        var renamed: [NodeID: NodeID] = [:]
        var used: [Int: Int] = [:]
        for id in ancestry(of: output) where id.index >= boundary.index {
            let node = self[id]
            let isInput = id == boundary
            let own = isInput ? [] : node.parameters
            for parameter in own where used[parameter] == nil {
                used[parameter] = graph.parameters.count
                graph.parameters.append(parameters[parameter])
            }
            renamed[id] = NodeID(index: graph.nodes.count)
            graph.nodes.append(
                Node(
                    name: node.name, operation: isInput ? .input : node.operation,
                    inputs: isInput ? [] : node.inputs.compactMap { renamed[$0] }, shape: node.shape,
                    parameters: own.compactMap { used[$0] }))
        }
        graph.outputs = [name: renamed[output] ?? NodeID(index: graph.nodes.count - 1)]
        return graph
    }

    /// The names of the layers that an output depends on, in order: convolutions, linear layers and poolings.
    public func layers(of output: String) -> [String] {
        guard let node = outputs[output] else { return [] }
        return ancestry(of: node).filter { self[$0].isLayer }.map { self[$0].name }
    }

    /// The parameters of the last so many layers, normalisations behind them included, by name.
    public func parameters(ofLast count: Int, of output: String) -> Set<String> {
        guard let node = outputs[output] else { return [] }
        let order = ancestry(of: node)
        let layers = order.filter { self[$0].isLayer }
        guard let first = layers.suffix(count).first else { return [] }
        let names = order.filter { $0.index >= first.index }.flatMap { self[$0].parameters.map { parameters[$0].name } }
        return Set(names)
    }
}

extension Graph.Node {
    fileprivate var isLayer: Bool {
        switch operation {
        case .convolution, .linear, .maxPooling, .averagePooling: true
        default: false
        }
    }
}

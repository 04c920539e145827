extension Graph {
    /// The last node before all trained parameters that every later node depends on through it alone. The graph up to
    /// it can be run once and its output kept. `trains`: whether a parameter is trained.
    package func boundary(output: NodeID, trains: (Parameter) -> Bool) -> NodeID {
        let order = ancestry(of: output)
        let first = order.firstIndex { self[$0].parameters.contains { trains(parameters[$0]) } } ?? order.count - 1
        var boundary = order[0]
        // Nodes that a node after the candidate still reads.
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

    /// Returns the graph up to a node, which becomes the output `boundary`.
    package func prefix(to boundary: NodeID) -> Graph {
        var graph = self
        graph.outputs = ["boundary": boundary]
        return graph
    }

    /// Returns the graph after a node up to an output; the node becomes the input.
    package func suffix(from boundary: NodeID, output name: String) -> Graph {
        guard let output = outputs[name] else { return self }
        var graph = Graph()
        var renamed: [NodeID: NodeID] = [:], used: [Int: Int] = [:]
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

    /// Names of the parameters of the last `count` layers, with the normalisations that follow them.
    package func parameters(ofLast count: Int, of output: String) -> Set<String> {
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

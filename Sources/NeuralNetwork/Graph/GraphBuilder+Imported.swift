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

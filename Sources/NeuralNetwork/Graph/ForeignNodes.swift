/// Nodes of graphs that were described elsewhere.
extension GraphBuilder {
    /// A node whose shape whoever describes it knows. Random weights have no meaning for it.
    ///
    /// - `parameters`: in the order that the operation documents.
    public mutating func node(
        _ name: String, _ operation: Operation, _ inputs: [NodeID], _ shape: Graph.Shape,
        parameters: [(name: String, shape: [Int])] = []
    ) -> NodeID {
        let indices = parameters.map { parameter($0.name, $0.shape, .init(spread: 0)) }
        return append(name, operation, inputs, shape, indices)
    }
}

extension Graph {
    /// Returns the transformer with position embeddings learned on a grid of `side` × `side` patches. They are
    /// interpolated to the input's grid, as timm's `resample_abs_pos_embed` does.
    package func learned(onGrid side: Int) -> Graph {
        var graph = self
        for index in graph.nodes.indices {
            let node = graph.nodes[index]
            guard case .tokens(let embedding) = node.operation, let table = node.parameters.last else { continue }
            let moved = TokenEmbedding(
                hasClassToken: embedding.hasClassToken, registers: embedding.registers, grid: side,
                positionsCoverClass: embedding.positionsCoverClass)
            let old = graph.parameters[table]
            let places = side * side + (embedding.positionsCoverClass ? 1 : 0)
            graph.parameters[table] = Parameter(
                name: old.name, shape: [1, places] + old.shape.dropFirst(2), initializer: old.initializer,
                isTrainable: old.isTrainable)
            graph.nodes[index] = Node(
                name: node.name, operation: .tokens(moved), inputs: node.inputs, shape: node.shape,
                parameters: node.parameters)
        }
        return graph
    }
}

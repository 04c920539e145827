import NeuralNetwork

extension Graph {
    /// Every node with its output shape, parameters and multiply-adds, and the totals.
    package var layerTable: String {
        var table = TextTable([
            ("layer", .left), ("operation", .left), ("output", .right), ("parameters", .right),
            ("multiply-adds", .right),
        ])
        for node in nodes {
            let (parameters, adds) = (parameterCount(of: node), multiplyAdds(of: node))
            table.append([
                node.name, node.operation.name, node.shape.description, parameters > 0 ? grouped(parameters) : "",
                adds > 0 ? grouped(adds) : "",
            ])
        }
        table.append(["total", "", "", grouped(parameterCount), grouped(multiplyAdds)])
        return table.text
    }
}

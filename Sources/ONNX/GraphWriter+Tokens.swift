import Inference
import NeuralNetwork

extension GraphWriter {
    func tokens(_ node: Graph.Node, _ embedding: TokenEmbedding, _ x: Value) throws -> Value {
        let name = prefix + node.name
        guard case .tokens(let count, let size) = node.shape else { preconditionFailure("\(name): \(node.shape)") }
        let patches: Value
        if hasChannelsLast(graph.nodes[node.inputs[0].index].shape) {
            patches = model.node("Reshape", [x, model.integers([0, -1, size])], name: name + ".patches")
        } else {
            let flat = model.node("Reshape", [x, model.integers([0, size, -1])], name: name + ".flat")
            patches = model.node("Transpose", [flat], [.integers("perm", [0, 2, 1])], name: name + ".patches")
        }
        let table = TokenTable(embedding, graph.nodes[node.inputs[0].index].shape)
            .values(try node.parameters.indices.map { try values(node, $0).values })
        let front = embedding.prefix * size
        let positions = try model.weight(
            name + ".positions", shape: [1, count - embedding.prefix, size], Array(table[front...]))
        let placed = model.node("Add", [patches, positions], name: front > 0 ? name + ".placed" : name)
        guard front > 0 else { return placed }
        let first = try model.weight(name + ".front", shape: [1, embedding.prefix, size], Array(table[..<front]))
        let shape = model.node("Shape", [x], name: name + ".shape")
        let batch = model.node("Slice", [shape, model.integers([0]), model.integers([1])], name: name + ".batch")
        let target = model.node(
            "Concat", [batch, model.integers([embedding.prefix, size])], [.integer("axis", 0)], name: name + ".target")
        let repeated = model.node("Expand", [first, target], name: name + ".repeated")
        return model.node("Concat", [repeated, placed], [.integer("axis", 1)], name: name)
    }

    /// Attention from rows with query, key and value concatenated; for sequences masked to valid steps.
    func selfAttention(_ node: Graph.Node, _ heads: Int, _ x: Value) -> Value {
        let (name, size) = (prefix + node.name, node.shape.rowSize)
        let parts = split(x, into: 3, heads: heads, width: size / heads, name)
        let scores = product(
            parts[0], model.node("Transpose", [parts[1]], [.integers("perm", [0, 1, 3, 2])], name: name + ".keys"),
            width: size / heads, name)
        return mixed(scores, parts[2], shape: [0, 0, size], name)
    }

    func latentAttention(_ node: Graph.Node, _ heads: Int, _ x: Value) throws -> Value {
        let (name, size) = (prefix + node.name, node.shape.rowSize)
        let query = LatentQuery.forward(try node.parameters.indices.map { try values(node, $0).values })
        let parts = split(x, into: 2, heads: heads, width: size / heads, name)
        let scores = product(
            try model.weight(name + ".query", shape: [1, heads, 1, size / heads], query),
            model.node("Transpose", [parts[0]], [.integers("perm", [0, 1, 3, 2])], name: name + ".keys"),
            width: size / heads, name)
        return mixed(scores, parts[1], shape: [0, size], name)
    }

    /// `[batch, token, parts · size]` → `[batch, head, token, width]` of each part.
    private func split(_ x: Value, into count: Int, heads: Int, width: Int, _ name: String) -> [Value] {
        let shape = model.integers([0, 0, count, heads, width])
        let apart = model.node("Reshape", [x, shape], name: name + ".apart")
        let turned = model.node("Transpose", [apart], [.integers("perm", [2, 0, 3, 1, 4])], name: name + ".turned")
        let parts = model.split(turned, axis: 0, into: count, name: name + ".split")
        return parts.enumerated().map { index, part in
            model.node("Squeeze", [part, model.integers([0])], name: "\(name).part\(index)")
        }
    }

    /// Scaled query-key products, with −∞ for padding.
    private func product(_ queries: Value, _ keys: Value, width: Int, _ name: String) -> Value {
        let product = model.node("MatMul", [queries, keys], name: name + ".product")
        let factor = model.number(name + ".factor", 1 / Float(width).squareRoot())
        let scores = model.node("Mul", [product, factor], name: name + ".scores")
        guard let steps else { return scores }
        return model.node("Where", [steps.keys, scores, steps.never], name: name + ".valid")
    }

    private func mixed(_ scores: Value, _ values: Value, shape: [Int], _ name: String) -> Value {
        let weights = model.node("Softmax", [scores], [.integer("axis", -1)], name: name + ".weights")
        let mixed = model.node("MatMul", [weights, values], name: name + ".mixed")
        let rows = model.node("Transpose", [mixed], [.integers("perm", [0, 2, 1, 3])], name: name + ".rows")
        return model.node("Reshape", [rows, model.integers(shape)], name: name)
    }

    /// The tokens from `first`.
    func behind(_ first: Int, _ x: Value, _ name: String) -> Value {
        guard first > 0 else { return x }
        let bounds = [model.integers([first]), model.integers([Int(Int32.max)]), model.integers([1])]
        return model.node("Slice", [x] + bounds, name: name + ".patches")
    }

    func tokenMap(_ node: Graph.Node, _ first: Int, _ x: Value) -> Value {
        guard case .image(let channels, let height, let width) = node.shape else {
            preconditionFailure("\(node.name): \(node.shape)")
        }
        let name = prefix + node.name
        let patches = behind(first, x, name)
        if hasChannelsLast(node.shape) {
            return model.node("Reshape", [patches, model.integers([0, height, width, channels])], name: name)
        }
        let turned = model.node("Transpose", [patches], [.integers("perm", [0, 2, 1])], name: name + ".turned")
        return model.node("Reshape", [turned, model.integers([0, channels, height, width])], name: name)
    }
}

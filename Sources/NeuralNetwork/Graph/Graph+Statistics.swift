extension Graph {
    package var parameterCount: Int { parameters.lazy.filter(\.isTrainable).reduce(0) { $0 + $1.count } }

    /// Multiply-adds for one example, or for one step if the input is a sequence.
    package var multiplyAdds: Int { nodes.reduce(0) { $0 + multiplyAdds(of: $1) } }

    /// Multiply-adds of convolutions and matrix products. Other operations are not counted, as usual in the literature.
    package func multiplyAdds(of node: Node) -> Int {
        switch (node.operation, node.shape) {
        case (.convolution, .image(_, let height, let width)): parameters[node.parameters[0]].count * height * width
        case (.convolution, .clip(_, let frames, let height, let width)):
            parameters[node.parameters[0]].count * frames * height * width
        case (.linear, .sequence): parameters[node.parameters[0]].count
        case (.linear, let shape): parameters[node.parameters[0]].count * (shape.size / shape.rowSize)
        case (.selfAttention, .tokens(let count, let size)): 2 * count * count * size
        case (.latentAttention, .vector(let size)): 2 * self[node.inputs[0]].shape.size / (2 * size) * size
        case (.recurrent, _):
            node.parameters.map { parameters[$0] }.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
        default: 0
        }
    }

    package func parameterCount(of node: Node) -> Int {
        node.parameters.map { parameters[$0] }.filter(\.isTrainable).reduce(0) { $0 + $1.count }
    }
}

extension Graph {
    package func parameters(for output: String) -> [Parameter] {
        guard let node = outputs[output] else { return [] }
        return ancestry(of: node).flatMap { self[$0].parameters }.map { parameters[$0] }
    }

    /// Shape in which features of the output are stored: `[D]`, `[height, width, channels]` of an image, or `[frames,
    /// height, width, channels]` of a video. Throws `PlanError.unknownOutput`.
    package func featureShape(of output: String) throws -> [Int] {
        switch self[try node(of: output)].shape {
        case .image(let channels, let height, let width): return [height, width, channels]
        case .clip(let channels, let frames, let height, let width):
            return (frames > 1 ? [frames] : []) + [height, width, channels]
        case .vector(let size), .sequence(let size): return [size]
        case .tokens(let count, let size): return [count, size]
        }
    }
}

/// Finds the feature map for Grad-CAM when no layer is named.
extension Graph {
    /// The last feature map that the output depends on entirely: an image before it is reduced to a vector, or the
    /// input of a transformer's last attention; with its patch rows and columns and, for video encoders, its frames.
    package func lastMap(before output: String) -> (node: NodeID, frames: Int, height: Int, width: Int)? {
        guard let end = outputs[output] else { return nil }
        let needed = ancestry(of: end)
        let lastAttention = needed.last { if case .selfAttention = self[$0].operation { true } else { false } }
        if let attention = lastAttention { return tokens(read: attention, needed) }
        for (place, id) in needed.enumerated().reversed() {
            let shape = ImageShape(self[id].shape)
            guard self[id].shape.isImage, shape.height * shape.width > 1 else { continue }
            let before = Set(needed[..<place])
            if needed[(place + 1)...].allSatisfy({ self[$0].inputs.allSatisfy { !before.contains($0) } }) {
                return (id, shape.frames, shape.height, shape.width)
            }
        }
        return nil
    }

    /// The layer normalisation whose result is projected to an attention's queries, or the value itself without one.
    private func tokens(read attention: NodeID, _ needed: [NodeID]) -> (
        node: NodeID, frames: Int, height: Int, width: Int
    )? {
        var id = attention
        while let first = self[id].inputs.first {
            id = first
            if case .layerNormalization = self[id].operation { break }
            if case .linear = self[id].operation { continue }
            if self[id].operation != .concatenation { break }
        }
        let patches = needed.first { if case .tokens = self[$0].operation { true } else { false } }
        guard let patches, case .image(_, let height, let width) = self[self[patches].inputs[0]].shape else {
            return nil
        }
        return (id, 1, height, width)
    }

    package func naming(_ node: NodeID, _ name: String) -> Graph {
        var result = self
        result.outputs[name] = node
        return result
    }
}

/// Finds the nodes of which only the first token is read. After the last attention of a transformer with class-token
/// output, only that token needs computing.
extension Graph {
    /// The token nodes of which only the first token is read. `needed`: nodes in topological order, with the output.
    package func readForFirstToken(_ needed: [NodeID], output: NodeID) -> Set<NodeID> {
        var whole: Set<NodeID> = [output]
        var first: Set<NodeID> = []
        for id in needed.reversed() {
            let isFirstOnly = !whole.contains(id) && first.contains(id)
            for input in self[id].inputs {
                if self[id].operation == .classToken || (isFirstOnly && self[id].operation.isRowWise) {
                    first.insert(input)
                } else {
                    whole.insert(input)
                }
            }
        }
        return first.subtracting(whole).filter { if case .tokens = self[$0].shape { true } else { false } }
    }
}

extension Operation {
    /// Whether each token of the result depends only on the same token of the inputs.
    fileprivate var isRowWise: Bool {
        switch self {
        case .linear, .layerNormalization, .batchNormalization, .activation, .function, .add, .multiply,
            .gatherChannels, .channelScale, .dropout:
            true
        default: false
        }
    }
}

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

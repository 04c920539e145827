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
        case (.linear, let shape):
            parameters[node.parameters[0]].count * (shape.isSequence ? 1 : shape.size / shape.rowSize)
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
        guard let node = outputs[output] else {
            throw PlanError.unknownOutput(output, available: outputs.keys.sorted())
        }
        switch self[node].shape {
        case .image(let channels, let height, let width): return [height, width, channels]
        case .clip(let channels, let frames, let height, let width):
            return (frames > 1 ? [frames] : []) + [height, width, channels]
        case .vector(let size), .sequence(let size): return [size]
        case .tokens(let count, let size): return [count, size]
        }
    }
}

extension Graph.Shape {
    fileprivate var isSequence: Bool {
        if case .sequence = self { return true }
        return false
    }
}

import NeuralNetwork

/// Materialises views in a graph's layout, with additional nodes if necessary.
extension GraphImporter {
    /// The view as a value: an image, tokens, or a vector.
    mutating func arranged(_ node: Graph.NodeID, _ view: TensorView) throws -> Graph.NodeID {
        if paddings[node] != nil { throw Refused("its input is padded") }
        let shape = builder.shape(of: node)
        let own = TensorView(shape)
        if view == own || (view.offsets == [0, 0, 0] && view.squeezed == own.squeezed) { return node }
        if let rows = pixels(view, of: shape) { return rows ? node : try tokenMap(node, view) }
        if case .tokens(_, let size) = shape, view.squeezed == [TensorView.axis(.channel, size)], view.offsets[2] == 0 {
            guard view.offsets[1] == 0 else { throw Refused("it selects a single token other than the first") }
            return try self.node(name(node, view), .classToken, [node], .vector(size))
        }
        return try gatheredChannels(node, view)
    }

    private func name(_ node: Graph.NodeID, _ view: TensorView) -> String {
        let dimensions = view.dimensions.map { axes in
            axes.map { "\($0.axis.rawValue)/\($0.stride)/\($0.size)" }.joined(separator: "+")
        }
        return "\(node.index).\(dimensions.joined(separator: ",")).\(view.offsets)"
    }

    /// Whether the view is an image's pixels as rows of channels (true), or an image made of tokens (false).
    func pixels(_ view: TensorView, of shape: Graph.Shape) -> Bool? {
        switch shape {
        case .image(let channels, let height, let width):
            let wanted =
                TensorView.axis(.row, height) + TensorView.axis(.column, width) + TensorView.axis(.channel, channels)
            let order = view.dimensions.flatMap { $0 }
            return view.offsets == [0, 0, 0] && order == wanted
                && view.dimensions.last == TensorView.axis(.channel, channels) ? true : nil
        case .tokens(_, let size):
            guard view.squeezed.first == TensorView.axis(.channel, size), view.offsets[0] == 0 else { return nil }
            let rows = view.squeezed.dropFirst()
            return rows.allSatisfy { $0.allSatisfy { $0.axis == .row } } && rows.count == 2 ? false : nil
        case .vector, .sequence, .clip: return nil
        }
    }

    /// The tokens after the first few as the image that they are patches of.
    private mutating func tokenMap(_ node: Graph.NodeID, _ view: TensorView) throws -> Graph.NodeID {
        guard case .tokens(let count, let size) = builder.shape(of: node) else {
            throw Refused("it is not a sequence of tokens")
        }
        let sides = view.squeezed.dropFirst().map { $0.reduce(1) { $0 * $1.size } }
        let first = view.offsets[1]
        guard view.places(.row) == Array(first..<first + sides[0] * sides[1]), first + sides[0] * sides[1] == count
        else { throw Refused("it mixes tokens") }
        return builder.node(
            name(node, view), .tokenMap(skipping: first), [node],
            .image(channels: size, height: sides[0], width: sides[1]))
    }

    /// Selects or reorders channels; rows and columns are unchanged.
    private mutating func gatheredChannels(_ node: Graph.NodeID, _ view: TensorView) throws -> Graph.NodeID {
        let shape = builder.shape(of: node)
        let own = TensorView(shape)
        guard view.offsets[1] == 0, view.offsets[2] == 0 else { throw Refused("it selects a part of the image") }
        // Channels must be contiguous, with the other axes in the usual order.
        let channels = view.squeezed.filter { $0.contains { $0.axis == .channel } }
        guard channels.count <= 1, channels.allSatisfy({ $0.allSatisfy { $0.axis == .channel } }) else {
            throw Refused("it mixes channels with spatial axes")
        }
        let others = view.squeezed.filter { !$0.contains { $0.axis == .channel } }
        let usual = own.squeezed.filter { !$0.contains { $0.axis == .channel } }
        guard others == usual || others == [usual.flatMap { $0 }] else { throw Refused("it transposes the image") }
        let places = view.places(.channel)
        return try self.node(
            name(node, view), .gatherChannels(places), [node], shape.with(rowSize: places.count))
    }

    /// Whether the view is the pixels of a small image, or a vector, in the order of a flattened product.
    func flattened(_ node: Graph.NodeID, _ view: TensorView) -> Bool {
        guard case .image(let channels, let height, let width) = builder.shape(of: node), height * width > 1 else {
            return false
        }
        let all = TensorView.axis(.channel, channels) + TensorView.axis(.row, height) + TensorView.axis(.column, width)
        return view.offsets == [0, 0, 0] && view.squeezed == [all]
    }
}

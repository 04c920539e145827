/// Finds the feature map for Grad-CAM when no layer is named.
extension Graph {
    /// The last feature map that the output depends on entirely: an image before it is reduced to a vector, or the
    /// input of a transformer's last attention. Returned with its patch rows and columns and, for video encoders, its
    /// frames.
    package func lastMap(before output: String) -> (node: NodeID, frames: Int, height: Int, width: Int)? {
        guard let end = outputs[output] else { return nil }
        let needed = ancestry(of: end)
        let lastAttention = needed.last { if case .selfAttention = self[$0].operation { true } else { false } }
        if let attention = lastAttention { return tokens(read: attention, needed) }
        for (place, id) in needed.enumerated().reversed() {
            let shape = ImageShape(self[id].shape)
            guard self[id].shape.isPicture, shape.height * shape.width > 1 else { continue }
            let before = Set(needed[..<place])
            if needed[(place + 1)...].allSatisfy({ self[$0].inputs.allSatisfy { !before.contains($0) } }) {
                return (id, shape.frames, shape.height, shape.width)
            }
        }
        return nil
    }

    /// The layer normalisation whose result an attention's queries are projected from, or the value itself if there is
    /// none.
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

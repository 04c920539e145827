import NeuralNetwork

/// Text embeddings of class names from an image-text model, the initial weights of heads that start from class names.
package struct ClassTexts: Sendable, Equatable {
    /// A unit vector for each class.
    package let vectors: [String: [Float]]
    /// Logit scale and bias of the model: class scores are scale · cosine + bias.
    package let scale, bias: Float

    package init(vectors: [String: [Float]], scale: Float, bias: Float) {
        (self.vectors, self.scale, self.bias) = (vectors, scale, bias)
    }

    /// The last layer's parameters for classes in this order.
    func parameters(_ labels: [String]) throws -> NamedTensors {
        let rows = try labels.map { label in
            guard let vector = vectors[label] else { throw SequenceError.noText(label: label) }
            return vector.map { $0 * scale }
        }
        return NamedTensors([
            "fc.weight": Tensor(shape: [labels.count, rows[0].count], values: rows.flatMap { $0 }),
            "fc.bias": Tensor(shape: [labels.count], values: [Float](repeating: bias, count: labels.count)),
        ])
    }
}

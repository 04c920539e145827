import NeuralNetwork

/// What a model of pictures and texts makes of classes' names: where heads that read texts begin.
public struct ClassTexts: Sendable, Equatable {
    /// A vector of length 1 for each class.
    public let vectors: [String: [Float]]
    /// How the model makes class scores of cosines: factor and summand.
    public let scale, bias: Float

    /// All parts, as they are.
    public init(vectors: [String: [Float]], scale: Float, bias: Float) {
        (self.vectors, self.scale, self.bias) = (vectors, scale, bias)
    }

    /// The last layer's parameters for classes in this order.
    ///
    /// - Throws: `SequenceError.noText` where one of them has no vector.
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

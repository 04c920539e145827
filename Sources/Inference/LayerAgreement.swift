import NeuralNetwork

/// How alike a network's layers are in two arithmetics, for the same pictures.
public struct LayerAgreement: Sendable, Equatable, Encodable {
    /// The layer's name.
    public let layer: String
    /// The cosine of its output to that in `f32`, everything before it in the other arithmetic too.
    public let cosine: Double

    /// Every layer in order.
    ///
    /// - `output`: a name in `graph.outputs`.
    /// - `pixels`: pictures `[count, height, width, 3]`, count at most `batch`.
    /// - Throws: as `InferencePlan`.
    public static func layers(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, normalization: PixelNormalization,
        arithmetic: Arithmetic, pixels: [UInt8]
    ) throws -> [LayerAgreement] {
        func plan(_ arithmetic: Arithmetic) throws -> InferencePlan {
            try InferencePlan(graph: graph, output: output, batch: batch, weights: weights, arithmetic: arithmetic)
        }
        // One plan alive at a time, and of its numbers only what the comparison needs.
        var exact: [String: [Float]] = [:]
        try plan(.f32).trace(pixels: pixels, normalization: normalization) { exact[$0] = $1 }
        var result: [LayerAgreement] = []
        try plan(arithmetic).trace(pixels: pixels, normalization: normalization) { layer, values in
            guard let expected = exact.removeValue(forKey: layer), expected.count == values.count else { return }
            let shape = [1, values.count]
            let cosine = FeatureAgreement.cosines(
                Tensor(shape: shape, values: values), Tensor(shape: shape, values: expected))
            result.append(LayerAgreement(layer: layer, cosine: cosine[0]))
        }
        return result
    }
}

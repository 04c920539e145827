import NeuralNetwork

/// Cosine similarity of a network's layers in two precisions for the same images.
package struct LayerAgreement: Sendable, Equatable, Encodable {
    package let layer: String
    /// Cosine similarity of the layer's output to that in `f32`, with all earlier layers in the other precision too.
    package let cosine: Double

    /// Compares every layer in order. `output`: a name in `graph.outputs`. `pixels`: images `[count, height, width,
    /// 3]`, count at most `batch`. Throws as `InferencePlan`.
    package static func layers(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, normalization: PixelNormalization,
        arithmetic: Arithmetic, pixels: [UInt8]
    ) throws -> [LayerAgreement] {
        func plan(_ arithmetic: Arithmetic) throws -> InferencePlan {
            try InferencePlan(graph: graph, output: output, batch: batch, weights: weights, arithmetic: arithmetic)
        }
        // Only one plan exists at a time, and only the values needed for the comparison are kept.
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

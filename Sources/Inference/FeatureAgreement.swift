import NeuralNetwork

/// Cosine similarity of features of the same images in two precisions.
package enum FeatureAgreement {
    /// Cosine similarity of each image's features, `[count, …]`; 1 if both are zero.
    package static func cosines(_ first: Tensor, _ second: Tensor) -> [Double] {
        precondition(first.shape == second.shape)
        let count = first.shape[0]
        let size = first.count / max(1, count)
        return (0..<count).map { image in
            var (dot, a, b) = (0.0, 0.0, 0.0)
            for index in image * size..<(image + 1) * size {
                let (x, y) = (Double(first.values[index]), Double(second.values[index]))
                (dot, a, b) = (dot + x * y, a + x * x, b + y * y)
            }
            return a == b && a == 0 ? 1 : dot / (a * b).squareRoot()
        }
    }

    /// Mean cosine similarity of features in some precision to those in `f32`. `output`: a name in `graph.outputs`.
    /// `pixels`: batches of images, each `[count, height, width, 3]` with count up to `batch`. Throws as
    /// `InferencePlan`.
    package static func mean(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, normalization: PixelNormalization,
        arithmetic: Arithmetic, pixels: [[UInt8]]
    ) throws -> Double {
        let features = try [.f32, arithmetic].map { arithmetic in
            try PlanRequest(graph: graph, output: output, batch: batch, arithmetic: arithmetic)
                .features(of: pixels, weights, normalization).map(\.features)
        }
        return mean(features[1], features[0])
    }

    /// Mean cosine similarity of the features of all batches.
    static func mean(_ first: [Tensor], _ second: [Tensor]) -> Double {
        let all = zip(first, second).flatMap { cosines($0, $1) }
        return all.reduce(0, +) / Double(max(1, all.count))
    }

    /// Cosine similarities after each tensor is centred on its mean over the images, so that only differences between
    /// images count.
    package static func centredCosines(_ first: Tensor, _ second: Tensor) -> [Double] {
        cosines(first.centred, second.centred)
    }
}

extension PlanRequest {
    /// Computes the features of each batch on one core, and the seconds that this takes.
    func features(
        of pixels: [[UInt8]], _ weights: PackedWeights, _ normalization: PixelNormalization
    ) throws -> [(features: Tensor, seconds: Double)] {
        try onAllCores(pixels.count) {
            let plan = try InferencePlan(CompiledPlan(self, weights))
            return { index in
                let begin = ContinuousClock.now
                let features = try plan.run(pixels: pixels[index], normalization: normalization)
                return (features: features, seconds: (ContinuousClock.now - begin) / .seconds(1))
            }
        }
    }
}

extension Tensor {
    /// Centred on the mean over the first dimension.
    fileprivate var centred: Tensor {
        let size = count / max(1, shape[0])
        var mean = [Double](repeating: 0, count: size)
        for (index, value) in values.enumerated() { mean[index % size] += Double(value) / Double(shape[0]) }
        var result = self
        for index in values.indices { result.values[index] = Float(Double(values[index]) - mean[index % size]) }
        return result
    }
}

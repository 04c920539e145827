import FeatureCache
import NeuralNetwork

/// Scales each feature to mean 0 and deviation 1 over the training rows.
public struct Standardization: Sendable, Equatable {
    /// Of each feature.
    public let mean: [Float]
    /// Reciprocal of the deviation; 1 for a feature that never changes.
    public let scale: [Float]

    /// Given mean and reciprocal deviation of each feature.
    public init(mean: [Float], scale: [Float]) {
        self.mean = mean
        self.scale = scale
    }

    /// Over the valid rows of the chosen examples, in double precision.
    init(_ features: FeatureSet, examples: [Int]) {
        let size = features.featureSize
        var sums = [Double](repeating: 0, count: size)
        var squares = sums
        var count = 0
        for example in examples.map({ features.examples[$0] }) {
            count += example.length
            for row in example.firstRow..<example.firstRow + example.length {
                for column in 0..<size {
                    let value = Double(features.rows[row * size + column])
                    sums[column] += value
                    squares[column] += value * value
                }
            }
        }
        let total = Double(max(1, count))
        let means = sums.map { $0 / total }
        mean = means.map { Float($0) }
        scale = zip(squares, means).map { square, mean in
            let variance = square / total - mean * mean
            // Below a millionth of the mean square, rounding is all there is.
            return variance > 1e-12 * max(1, square / total) ? Float(1 / variance.squareRoot()) : 1
        }
    }
}

import FeatureCache
import NeuralNetwork
import SequenceModels

/// One vector a clip: the mean of its frames' features less that of all clips, of length 1, so that products are cosines.
/// What all clips have in common says nothing of how alike two are.
public struct ClipVectors: Sendable {
    /// In the order of the features.
    public let examples: [FeatureSet.Example]
    /// Of the mean of all clips.
    public let centre: [Float]
    /// `[clip, feature]`.
    public let rows: [Float]
    /// Numbers in a vector.
    public let size: Int

    /// - Throws: `CacheError`, where rows are streamed.
    public init(_ features: FeatureSet) throws {
        let size = features.featureSize
        examples = features.examples
        self.size = size
        var means = [Float](repeating: 0, count: features.examples.count * size)
        try features.forEachSequence(features.examples.map { $0.views[0] }) { index, rows in
            let count = Float(rows.count / size)
            for (place, value) in rows.enumerated() { means[index * size + place % size] += value / count }
        }
        var centre = [Double](repeating: 0, count: size)
        for (place, value) in means.enumerated() { centre[place % size] += Double(value) }
        self.centre = centre.map { Float($0 / Double(max(1, features.examples.count))) }
        rows = Self.directions(of: means, from: self.centre)
    }

    /// Vectors of other sequences, as those of the clips.
    ///
    /// - Parameter means: mean features `[clip, feature]`.
    public func directions(of means: [Float]) -> [Float] { Self.directions(of: means, from: centre) }

    private static func directions(of means: [Float], from centre: [Float]) -> [Float] {
        let size = centre.count
        var rows = means
        for first in stride(from: 0, to: rows.count, by: size) {
            var square: Float = 0
            for place in 0..<size {
                rows[first + place] -= centre[place]
                square += rows[first + place] * rows[first + place]
            }
            let scale = square > 0 ? 1 / square.squareRoot() : 0
            for place in 0..<size { rows[first + place] *= scale }
        }
        return rows
    }
}

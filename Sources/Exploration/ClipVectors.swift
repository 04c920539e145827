import FeatureCache
import SequenceModels

/// One unit vector per clip: its mean feature, centred on the mean of all clips, so that dot products are cosine
/// similarities. Centring removes what all clips have in common.
package struct ClipVectors: Sendable {
    /// In the order of the features.
    package let examples: [FeatureSet.Example]
    /// The mean of all clips.
    package let centre: [Float]
    /// `[clip, feature]`.
    package let rows: [Float]
    package let size: Int

    /// - Throws: `CacheError`, if rows are streamed; `SequenceError.notFinite`.
    package init(_ features: FeatureSet) throws {
        let size = features.featureSize
        examples = features.examples
        self.size = size
        var means = [Float](repeating: 0, count: features.examples.count * size)
        try features.forEachSequence(features.examples.map { $0.views[0] }) { index, rows in
            let count = Float(rows.count / size)
            for (place, value) in rows.enumerated() { means[index * size + place % size] += value / count }
        }
        if let place = means.firstIndex(where: { !$0.isFinite }) {
            throw SequenceError.notFinite(video: examples[place / size].path)
        }
        var centre = [Double](repeating: 0, count: size)
        for (place, value) in means.enumerated() { centre[place % size] += Double(value) }
        self.centre = centre.map { Float($0 / Double(max(1, features.examples.count))) }
        rows = Self.directions(of: means, from: self.centre)
        if !rows.areFinite, let place = means.indices.max(by: { abs(means[$0]) < abs(means[$1]) }) {
            throw SequenceError.notFinite(video: examples[place / size].path)
        }
    }

    /// Centred unit vectors of other sequences. `means`: mean features `[clip, feature]`.
    package func directions(of means: [Float]) -> [Float] { Self.directions(of: means, from: centre) }

    private static func directions(of means: [Float], from centre: [Float]) -> [Float] {
        let size = centre.count
        var rows = means
        for first in stride(from: 0, to: rows.count, by: size) {
            var square: Float = 0
            for place in 0..<size {
                rows[first + place] -= centre[place]
                square += rows[first + place] * rows[first + place]
            }
            let scale = square > 0 ? (square.isFinite ? 1 / square.squareRoot() : .nan) : 0
            for place in 0..<size { rows[first + place] *= scale }
        }
        return rows
    }
}

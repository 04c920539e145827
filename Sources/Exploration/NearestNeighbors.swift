import FeatureCache
import Foundation
import Inference
import SequenceModels
import Threads

package struct Neighbor: Sendable, Equatable {
    package let index: Int
    /// From −1 to 1.
    package let cosine: Float
}

/// Exact nearest neighbours of all clips, on all cores.
package enum NearestNeighbors {
    /// Queries per block, small enough that their products with all clips stay in the CPU cache.
    private static let block = 64

    /// - `count`: number of neighbours, without the clip itself.
    /// - Returns: for each clip, the most similar first; ties in the order of the clips.
    package static func all(_ vectors: ClipVectors, count: Int) -> [[Neighbor]] {
        all(vectors.rows, size: vectors.size, count: count)
    }

    /// `rows`: unit vectors `[clip, size]`.
    static func all(_ rows: [Float], size: Int, count: Int) -> [[Neighbor]] {
        let products = RowProducts(rows, size: size)
        let blocks = (products.count + block - 1) / block
        let found = concurrentMap(blocks) { number in
            let range = number * block..<min((number + 1) * block, products.count)
            let cosines = products.products(of: range)
            return range.map { index in
                let first = (index - range.lowerBound) * products.count
                return nearest(cosines[first..<first + products.count], count: count, without: index)
            }
        }
        return Array(found.joined())
    }

    fileprivate static func nearest(_ cosines: ArraySlice<Float>, count: Int, without own: Int?) -> [Neighbor] {
        var best: [Neighbor] = []
        // Clips with a non-finite cosine are never neighbours.
        for (index, cosine) in cosines.enumerated() where index != own && cosine.isFinite {
            if best.count == count, cosine <= best[count - 1].cosine { continue }
            let place = best.firstIndex { $0.cosine < cosine } ?? best.count
            best.insert(Neighbor(index: index, cosine: cosine), at: place)
            if best.count > count { best.removeLast() }
        }
        return best
    }
}

/// A nearest-neighbour search with precomputed vectors.
package struct NeighborSearch: Sendable {
    private let rows: RowProducts

    package init(_ vectors: ClipVectors) { rows = RowProducts(vectors.rows, size: vectors.size) }

    /// Among the clips at `indices`; a neighbour's index is its place in them.
    init(_ vectors: ClipVectors, _ indices: [Int]) {
        let size = vectors.size
        rows = RowProducts(
            indices.count == vectors.examples.count
                ? vectors.rows : indices.flatMap { vectors.rows[$0 * size..<($0 + 1) * size] }, size: size)
    }

    /// The most similar clips. The rows are divided among the cores. `query`: a unit vector.
    package func nearest(to query: [Float], count: Int) -> [Neighbor] {
        let parts = max(1, min(rows.count / 256, ProcessInfo.processInfo.activeProcessorCount))
        let found = concurrentMap(parts) { part in
            let range = part * rows.count / parts..<(part + 1) * rows.count / parts
            return NearestNeighbors.nearest(rows.products(of: query, with: range)[...], count: count, without: nil)
                .map { Neighbor(index: $0.index + range.lowerBound, cosine: $0.cosine) }
        }
        return Array(found.joined().sorted { ($1.cosine, $0.index) < ($0.cosine, $1.index) }.prefix(count))
    }
}

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
            means.replaceSubrange(index * size..<(index + 1) * size, with: meanRow(rows, size: size))
        }
        if let place = means.firstIndex(where: { !$0.isFinite }) {
            throw SequenceError.notFinite(video: examples[place / size].path)
        }
        (centre, rows) = Self.centred(means, size: size)
        if !rows.areFinite, let place = means.indices.max(by: { abs(means[$0]) < abs(means[$1]) }) {
            throw SequenceError.notFinite(video: examples[place / size].path)
        }
    }

    /// Centred unit vectors of other sequences. `means`: mean features `[clip, feature]`.
    package func directions(of means: [Float]) -> [Float] { Self.directions(of: means, from: centre) }

    /// The mean of vectors `[clip, size]`, and their centred unit vectors.
    static func centred(_ vectors: [Float], size: Int) -> (centre: [Float], rows: [Float]) {
        var sums = [Double](repeating: 0, count: size)
        for (place, value) in vectors.enumerated() { sums[place % size] += Double(value) }
        let centre = sums.map { Float($0 / Double(max(1, vectors.count / max(1, size)))) }
        return (centre, directions(of: vectors, from: centre))
    }

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

/// The mean of rows `[row, size]`.
func meanRow(_ rows: some Collection<Float>, size: Int) -> [Float] {
    let count = Float(rows.count / max(1, size))
    var mean = [Float](repeating: 0, count: size)
    for (place, value) in rows.enumerated() { mean[place % size] += value / count }
    return mean
}

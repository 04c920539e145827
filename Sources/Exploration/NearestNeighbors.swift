import Foundation
import Inference
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

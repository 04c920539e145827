import Datasets
import Foundation

/// A two-dimensional map of clips: UMAP (McInnes, Healy, Melville 2018, arXiv:1802.03426) on cosine distances,
/// initialised with the principal components. Deterministic.
package struct ClipMap: Sendable {
    /// One per clip, in the order of the clips.
    package let places: [(x: Float, y: Float)]

    /// umap-learn's default of 15 neighbours, which includes the clip itself.
    package static let neighbors = 14
    /// umap-learn's curve for `min_dist` = 0.1.
    private static let a: Float = 1.576_943_5, b: Float = 0.895_060_9
    /// Negative samples per step.
    private static let pushes = 5

    /// - `nearest`: of each clip, at least `neighbors` if there are as many.
    package init(_ vectors: ClipVectors, nearest: [[Neighbor]]) {
        let start = PrincipalComponents.plane(vectors.rows, size: vectors.size)
        guard start.count > 3 else {
            places = start
            return
        }
        let edges = Self.edges(nearest.map { Array($0.prefix(Self.neighbors)) })
        places = Self.layout(start.map { (10 * $0.x, 10 * $0.y) }, edges)
    }

    private struct Edge {
        let first, second: Int
        let weight: Float
    }

    /// Symmetrised membership strengths of neighbouring clips.
    private static func edges(_ nearest: [[Neighbor]]) -> [Edge] {
        var weights: [[Int]: Float] = [:]
        for (index, neighbors) in nearest.enumerated() {
            let distances = neighbors.map { max(0, 1 - $0.cosine) }
            let closest = distances.first { $0 > 0 } ?? 0
            let width = width(distances, closest)
            for (neighbor, distance) in zip(neighbors, distances) {
                let weight = exp(-max(0, distance - closest) / width)
                let pair = [min(index, neighbor.index), max(index, neighbor.index)]
                let old = weights[pair] ?? 0
                weights[pair] = old + weight - old * weight
            }
        }
        return weights.map { Edge(first: $0.key[0], second: $0.key[1], weight: $0.value) }
            .sorted { ($0.first, $0.second) < ($1.first, $1.second) }
    }

    /// The bandwidth at which the neighbours' weights sum to the logarithm of their number.
    private static func width(_ distances: [Float], _ closest: Float) -> Float {
        let wanted = log2(Float(distances.count + 1))
        var (lower, upper, width): (Float, Float, Float) = (0, .infinity, 1)
        for _ in 0..<64 {
            let sum = distances.reduce(Float(0)) { $0 + exp(-max(0, $1 - closest) / width) }
            if abs(sum - wanted) < 1e-5 { break }
            if sum > wanted { upper = width } else { lower = width }
            width = upper.isFinite ? (lower + upper) / 2 : width * 2
        }
        let mean = distances.reduce(0, +) / Float(max(1, distances.count))
        return max(width, 1e-3 * mean, 1e-12)
    }

    /// Stochastic gradient descent with attraction along edges and negative sampling.
    private static func layout(_ start: [(x: Float, y: Float)], _ edges: [Edge]) -> [(x: Float, y: Float)] {
        let rounds = start.count <= 10_000 ? 500 : 200
        let largest = edges.reduce(Float(0)) { max($0, $1.weight) }
        let used = edges.filter { $0.weight >= largest / Float(rounds) }
        let steps = used.map { largest / $0.weight }
        var due = steps
        var (x, y) = (start.map(\.x), start.map(\.y))
        var generator = SplitMix64(seed: 2)
        for round in 0..<rounds {
            let rate = 1 - Float(round) / Float(rounds)
            for (place, edge) in used.enumerated() where due[place] <= Float(round + 1) {
                due[place] += steps[place]
                // Both ends move, as both directions of the graph are processed.
                for (one, two) in [(edge.first, edge.second), (edge.second, edge.first)] {
                    attract(&x, &y, one, two, rate)
                    for _ in 0..<pushes {
                        let other = Int(((generator.next() >> 32) * UInt64(x.count)) >> 32)
                        if other != one { repel(&x, &y, one, other, rate) }
                    }
                }
            }
        }
        return zip(x, y).map { ($0, $1) }
    }

    private static func attract(_ x: inout [Float], _ y: inout [Float], _ one: Int, _ two: Int, _ rate: Float) {
        let (dx, dy) = (x[one] - x[two], y[one] - y[two])
        let square = dx * dx + dy * dy
        guard square > 0 else { return }
        let power = pow(square, b)
        let force = -2 * a * b * power / square / (a * power + 1)
        let (mx, my) = (rate * clipped(force * dx), rate * clipped(force * dy))
        x[one] += mx
        y[one] += my
        x[two] -= mx
        y[two] -= my
    }

    private static func repel(_ x: inout [Float], _ y: inout [Float], _ one: Int, _ two: Int, _ rate: Float) {
        let (dx, dy) = (x[one] - x[two], y[one] - y[two])
        let square = dx * dx + dy * dy
        guard square > 0 else { return }
        let force = 2 * b / ((0.001 + square) * (a * pow(square, b) + 1))
        x[one] += rate * clipped(force * dx)
        y[one] += rate * clipped(force * dy)
    }

    private static func clipped(_ value: Float) -> Float { max(-4, min(4, value)) }
}

/// Principal components by subspace iteration, with a precision sufficient for plots.
enum PrincipalComponents {
    /// Projection of the rows on the first two components `[row, 2]`, scaled to a largest standard deviation of 1.
    /// `rows`: `[row, size]`, centred.
    static func plane(_ rows: [Float], size: Int) -> [(x: Float, y: Float)] {
        let count = rows.count / max(1, size)
        guard count > 1 else { return Array(repeating: (0, 0), count: count) }
        let mean = meanRow(rows, size: size)
        var generator = SplitMix64(seed: 1)
        var axes = (0..<2).map { _ in (0..<size).map { _ in Float.random(in: -1...1, using: &generator) } }
        var places = axes.map { _ in [Float](repeating: 0, count: count) }
        for _ in 0..<12 {
            for axis in axes.indices {
                orthogonalize(&axes, axis)
                places[axis] = project(rows, mean, axes[axis])
                axes[axis] = combine(rows, mean, places[axis], size)
            }
        }
        for axis in axes.indices {
            orthogonalize(&axes, axis)
            places[axis] = project(rows, mean, axes[axis])
        }
        let largest = places.joined().reduce(Float(1e-20)) { max($0, abs($1)) }
        return (0..<count).map { (places[0][$0] / largest, places[1][$0] / largest) }
    }

    /// Gram-Schmidt: makes an axis orthogonal to the previous ones and normalises it.
    private static func orthogonalize(_ axes: inout [[Float]], _ axis: Int) {
        for other in 0..<axis {
            let product = zip(axes[axis], axes[other]).reduce(0) { $0 + $1.0 * $1.1 }
            for place in axes[axis].indices { axes[axis][place] -= product * axes[other][place] }
        }
        let length = axes[axis].reduce(0) { $0 + $1 * $1 }.squareRoot()
        if length > 0 { for place in axes[axis].indices { axes[axis][place] /= length } }
    }

    private static func project(_ rows: [Float], _ mean: [Float], _ axis: [Float]) -> [Float] {
        let size = axis.count
        return rows.withUnsafeBufferPointer { rows in
            (0..<rows.count / size).map { row in
                var sum: Float = 0
                for place in 0..<size { sum += (rows[row * size + place] - mean[place]) * axis[place] }
                return sum
            }
        }
    }

    private static func combine(_ rows: [Float], _ mean: [Float], _ weights: [Float], _ size: Int) -> [Float] {
        var sum = [Float](repeating: 0, count: size)
        rows.withUnsafeBufferPointer { rows in
            for (row, weight) in weights.enumerated() {
                for place in 0..<size { sum[place] += weight * (rows[row * size + place] - mean[place]) }
            }
        }
        return sum
    }
}

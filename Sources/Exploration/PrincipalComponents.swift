import Datasets

/// Principal components by subspace iteration, with a precision sufficient for plots.
enum PrincipalComponents {
    /// Projection of the rows on the first two components `[row, 2]`, scaled to a largest standard deviation of 1.
    /// `rows`: `[row, size]`, centred.
    static func plane(_ rows: [Float], size: Int) -> [(x: Float, y: Float)] {
        let count = rows.count / max(1, size)
        guard count > 1 else { return Array(repeating: (0, 0), count: count) }
        var mean = [Float](repeating: 0, count: size)
        for (place, value) in rows.enumerated() { mean[place % size] += value / Float(count) }
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

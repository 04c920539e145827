import NeuralNetwork

/// `around` of Tests/Parity/parameters.py: numbers spread evenly about a centre, which depend on their name alone.
package func around(_ name: String, _ shape: [Int], centre: Float = 0, spread: Float = 1) -> Tensor {
    let values = RandomParameters().uniform(name, count: shape.reduce(1, *))
    return Tensor(shape: shape, values: values.map { centre + spread * (2 * $0 - 1) })
}

/// Largest difference as a share of the largest expected value.
package func relativeError(_ ours: [Float], _ expected: [Float]) -> Float {
    let largest = expected.map(abs).max() ?? 0
    return (zip(ours, expected).map { abs($0 - $1) }.max() ?? 0) / max(largest, 1e-12)
}

extension Double {
    /// Whether the numbers are equal but for rounding.
    package func isNear(_ other: Double, within tolerance: Double = 1e-6) -> Bool { abs(self - other) <= tolerance }
}

import FeatureCache

/// Standardises each feature to mean 0 and standard deviation 1 over the training rows.
package struct Standardization: Sendable, Equatable {
    package let mean: [Float]
    /// Reciprocal of the standard deviation; 1 for a constant feature.
    package let scale: [Float]
}

extension Standardization {
    /// Over the valid rows of the selected spans, in double precision.
    init(_ features: FeatureSet, spans: [FeatureSet.Span]) throws {
        let size = features.featureSize
        var sums = [Double](repeating: 0, count: size)
        var squares = sums
        var count = 0
        try features.forEachSequence(spans) { _, rows in
            count += rows.count / size
            sums.withUnsafeMutableBufferPointer { sums in
                squares.withUnsafeMutableBufferPointer { squares in
                    for start in stride(from: 0, to: rows.count, by: size) {
                        for column in 0..<size {
                            let value = Double(rows[start + column])
                            sums[column] += value
                            squares[column] += value * value
                        }
                    }
                }
            }
        }
        let total = Double(max(1, count))
        let means = sums.map { $0 / total }
        mean = means.map { Float($0) }
        scale = zip(squares, means).map { square, mean in
            let variance = square / total - mean * mean
            // Smaller variances are rounding errors.
            return variance > 1e-12 * max(1, square / total) ? Float(1 / variance.squareRoot()) : 1
        }
    }
}

extension FeatureSet {
    /// Calls `body` with the rows of each span, with a bounded number of them in memory. Throws `CacheError` if rows
    /// are streamed, or the error of `body`.
    package func forEachSequence(
        _ spans: [Span], _ body: (_ index: Int, _ rows: UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        for start in stride(from: 0, to: spans.count, by: 64) {
            let part = Array(spans[start..<min(start + 64, spans.count)])
            let (rows, firstRows) = try gather(part)
            try rows.withUnsafeBufferPointer { rows in
                for (place, span) in part.enumerated() {
                    let first = firstRows[place] * featureSize
                    let own = UnsafeBufferPointer(rebasing: rows[first..<first + span.length * featureSize])
                    try body(start + place, own)
                }
            }
        }
    }
}

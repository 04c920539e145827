import CElementwise

/// A dense array of `Float` in row-major order.
package struct Tensor: Sendable, Equatable {
    /// Length of each dimension, outermost first.
    package var shape: [Int]
    /// `shape.reduce(1, *)` elements, the last dimension varying fastest.
    package var values: [Float]

    /// - Precondition: `values` holds exactly as many elements as `shape` requires.
    package init(shape: [Int], values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for shape \(shape)")
        (self.shape, self.values) = (shape, values)
    }

    package init(shape: [Int], repeating value: Float = 0) {
        self.init(shape: shape, values: Array(repeating: value, count: shape.reduce(1, *)))
    }

    package var count: Int { values.count }
}

extension Tensor {
    /// `[columns, rows]` of `[rows, columns]`; further dimensions count as columns.
    package var transposed: Tensor {
        let rows = shape[0]
        let columns = count / max(1, rows)
        let turned = (0..<count).map { values[$0 % rows * columns + $0 / rows] }
        return Tensor(shape: [columns, rows], values: turned)
    }
}

extension [Float] { package var areFinite: Bool { withUnsafeBufferPointer(\.areFinite) } }

extension [Float] {
    /// The largest magnitude of finite values; 0 if there are none.
    package var largestMagnitude: Float { withUnsafeBufferPointer { elementwise_largest($0.count, $0.baseAddress) } }
}

extension UnsafeBufferPointer<Float> { package var areFinite: Bool { elementwise_are_finite(count, baseAddress) != 0 } }

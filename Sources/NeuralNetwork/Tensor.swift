import CElementwise

/// A dense array of `Float` in row-major order: the value that crosses module boundaries.
public struct Tensor: Sendable, Equatable {
    /// Length of each dimension, outermost first.
    public var shape: [Int]
    /// `shape.reduce(1, *)` numbers, the last dimension varying fastest.
    public var values: [Float]

    /// - Precondition: `values` holds exactly as many numbers as `shape` asks for.
    public init(shape: [Int], values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for shape \(shape)")
        self.shape = shape
        self.values = values
    }

    /// A tensor filled with one value.
    public init(shape: [Int], repeating value: Float = 0) {
        self.init(shape: shape, values: Array(repeating: value, count: shape.reduce(1, *)))
    }

    /// Number of elements.
    public var count: Int { values.count }
}

extension [Float] {
    /// Whether none is NaN or infinite.
    public var areFinite: Bool { withUnsafeBufferPointer(\.areFinite) }
}

extension [Float] {
    /// The largest magnitude of finite values; 0 if there are none.
    package var largestMagnitude: Float { withUnsafeBufferPointer { elementwise_largest($0.count, $0.baseAddress) } }
}

extension UnsafeBufferPointer<Float> {
    /// Whether none is NaN or infinite.
    public var areFinite: Bool { elementwise_are_finite(count, baseAddress) != 0 }
}

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

extension UnsafeBufferPointer<Float> {
    /// Whether none is NaN or infinite. Compares bit patterns, which vectorises.
    public var areFinite: Bool {
        var largest: UInt32 = 0
        for value in self { largest = Swift.max(largest, value.bitPattern & 0x7FFF_FFFF) }
        return largest < Float.infinity.bitPattern
    }
}

/// Memory for `count` numbers, not filled unless a value is given. It begins at a cache line: matrix products
/// over memory that does not are a third slower.
final class FloatBuffer {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int
    private let memory: UnsafeMutableRawPointer

    init(_ count: Int, _ value: Float? = nil) {
        self.count = count
        memory = .allocate(byteCount: max(64, count * 4), alignment: 64)
        pointer = memory.bindMemory(to: Float.self, capacity: max(16, count))
        if let value { pointer.initialize(repeating: value, count: count) }
    }

    deinit { memory.deallocate() }
}

/// Rows of numbers inside a training plan. Written once, by whoever makes it.
struct Matrix {
    let rows: Int
    let columns: Int
    private let buffer: FloatBuffer

    var count: Int { rows * columns }
    var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
    var values: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: buffer.pointer, count: count) }

    /// Not filled unless a value is given.
    init(_ rows: Int, _ columns: Int, _ value: Float? = nil) {
        (self.rows, self.columns) = (rows, columns)
        buffer = FloatBuffer(rows * columns, value)
    }

    /// A copy of a tensor of two dimensions.
    init(_ tensor: Tensor) {
        self.init(tensor.shape[0], tensor.shape[1])
        tensor.values.withUnsafeBufferPointer { _ = values.update(from: $0) }
    }

    /// Each number by itself.
    func map(_ body: (Float) -> Float) -> Matrix {
        let result = Matrix(rows, columns)
        for index in 0..<count { result.pointer[index] = body(pointer[index]) }
        return result
    }

    /// Each number with that of another matrix of the same shape.
    func combined(_ other: Matrix, _ body: (Float, Float) -> Float) -> Matrix {
        precondition(other.rows == rows && other.columns == columns)
        let result = Matrix(rows, columns)
        for index in 0..<count { result.pointer[index] = body(pointer[index], other.pointer[index]) }
        return result
    }

    var tensor: Tensor { Tensor(shape: [rows, columns], values: Array(values)) }
}

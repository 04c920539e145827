import Inference
import NeuralNetwork
import Synchronization

/// Memory for `count` numbers, not filled unless a value is given. It begins at a cache line: matrix products
/// over memory that does not are a third slower.
final class FloatBuffer {
    let pointer: UnsafeMutablePointer<Float>
    let count: Int
    private let memory: FloatMemory

    init(_ count: Int, _ value: Float? = nil) {
        self.count = count
        memory = FloatMemory.take(count)
        pointer = memory.start
        if let value { pointer.initialize(repeating: value, count: count) }
    }

    deinit { memory.giveBack() }
}

/// Memory that buffers share in turn. Every step needs the same sizes again: memory that was used a moment ago
/// is in the cache, and needs not be cleared by the system.
///
/// `@unchecked Sendable`: whoever holds it is its only user.
private struct FloatMemory: @unchecked Sendable {
    let start: UnsafeMutablePointer<Float>
    /// Numbers, rounded up so that sizes recur.
    let capacity: Int

    private static let free = Mutex<(bySize: [Int: [FloatMemory]], count: Int)>(([:], 0))
    /// Numbers that are kept at most: 256 MB.
    private static let limit = 64 << 20
    /// Smaller pieces are the system's business.
    private static let smallest = 16_384

    static func take(_ count: Int) -> FloatMemory {
        if count < smallest { return FloatMemory(capacity: max(16, count)) }
        // Eight sizes from one power of two to the next.
        let step = 1 << (Int.bitWidth - count.leadingZeroBitCount - 4)
        let capacity = (count + step - 1) / step * step
        let kept = free.withLock { free in
            let memory = free.bySize[capacity]?.popLast()
            if memory != nil { free.count -= capacity }
            return memory
        }
        return kept ?? FloatMemory(capacity: capacity)
    }

    private init(capacity: Int) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: capacity * 4, alignment: 64)
        start = memory.bindMemory(to: Float.self, capacity: capacity)
        self.capacity = capacity
    }

    func giveBack() {
        let isKept = Self.free.withLock { free in
            guard capacity >= Self.smallest, free.count + capacity <= Self.limit else { return false }
            free.bySize[capacity, default: []].append(self)
            free.count += capacity
            return true
        }
        if !isKept { UnsafeMutableRawPointer(start).deallocate() }
    }
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

    /// The numbers of another matrix, not copied.
    init(sharing other: Matrix, rows: Int, columns: Int) {
        (self.rows, self.columns, buffer) = (rows, columns, other.buffer)
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

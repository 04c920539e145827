import Inference
import NeuralNetwork
import Synchronization

/// Memory for `count` elements, uninitialised unless a value is given. Aligned to a cache line: matrix products over
/// unaligned memory are a third slower.
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

/// A pool of memory for buffers. Every training step needs the same sizes: recently used memory is in the CPU cache and
/// needs no clearing by the operating system.
///
/// `@unchecked Sendable`: each piece of memory has one owner at a time.
private struct FloatMemory: @unchecked Sendable {
    let start: UnsafeMutablePointer<Float>
    /// In elements, rounded up so that sizes recur.
    let capacity: Int

    private static let free = Mutex<(bySize: [Int: [FloatMemory]], count: Int)>(([:], 0))
    /// Maximum elements in the pool: 256 MB.
    private static let limit = 64 << 20
    /// Smaller buffers are not pooled.
    private static let smallest = 16_384

    static func take(_ count: Int) -> FloatMemory {
        if count < smallest { return FloatMemory(capacity: max(16, count)) }
        // Eight sizes per power of two.
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

/// A row-major matrix inside a training plan. Only its creator writes it.
struct Matrix {
    let rows: Int
    let columns: Int
    private let buffer: FloatBuffer

    var count: Int { rows * columns }
    var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
    var values: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: buffer.pointer, count: count) }

    /// Uninitialised unless a value is given.
    init(_ rows: Int, _ columns: Int, _ value: Float? = nil) {
        (self.rows, self.columns) = (rows, columns)
        buffer = FloatBuffer(rows * columns, value)
    }

    init(sharing other: Matrix, rows: Int, columns: Int) {
        (self.rows, self.columns, buffer) = (rows, columns, other.buffer)
    }

    init(_ tensor: Tensor) {
        self.init(tensor.shape[0], tensor.shape[1])
        tensor.values.withUnsafeBufferPointer { _ = values.update(from: $0) }
    }

    func map(_ body: (Float) -> Float) -> Matrix {
        let result = Matrix(rows, columns)
        for index in 0..<count { result.pointer[index] = body(pointer[index]) }
        return result
    }

    /// `body` gets each element and the index of its channel.
    func mapChannels(_ channels: Int, _ body: (Float, Int) -> Float) -> Matrix {
        let result = Matrix(rows, columns)
        for start in stride(from: 0, to: count, by: channels) {
            for channel in 0..<channels { result.pointer[start + channel] = body(pointer[start + channel], channel) }
        }
        return result
    }

    /// Combines corresponding elements of two matrices of one shape.
    func combined(_ other: Matrix, _ body: (Float, Float) -> Float) -> Matrix {
        precondition(other.rows == rows && other.columns == columns)
        let result = Matrix(rows, columns)
        for index in 0..<count { result.pointer[index] = body(pointer[index], other.pointer[index]) }
        return result
    }

    /// Factors of a dropout layer: 0, or 1 / (1 − rate).
    func dropoutMask(_ rate: Float, _ random: RandomParameters, _ name: String) -> Matrix {
        let mask = Matrix(rows, columns)
        for (index, number) in random.uniform(name, count: count).enumerated() {
            mask.pointer[index] = number < rate ? 0 : 1 / (1 - rate)
        }
        return mask
    }

    var tensor: Tensor { Tensor(shape: [rows, columns], values: Array(values)) }
}

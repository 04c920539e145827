import COneDNN
import NeuralNetwork

/// Times primitives on memory of its own. Belongs to one thread.
final class KernelBench {
    let context: Context
    private var buffers = (0..<5).map { _ in AlignedBuffer(bytes: 0) }

    init() throws { context = try Context() }

    /// Seconds of the fastest of a few runs after one to warm up, which is the only one where it is much slower than
    /// another kernel; infinite where it fails.
    ///
    /// - Parameters:
    ///   - sizes: bytes of source, weights and destination.
    ///   - bias: bytes.
    func seconds(
        _ primitive: Primitive, _ sizes: [Int], bias: Int, unlessSlowerThan other: Double = .infinity
    ) -> Double {
        let pointers = memory(sizes + [bias, primitive.scratchpadBytes])
        let isBound: ()? = try? primitive.bind(
            source: pointers[0], weights: sizes[1] > 0 ? pointers[1] : nil, bias: bias > 0 ? pointers[3] : nil,
            destination: pointers[2], scratchpad: pointers[4])
        return isBound == nil ? .infinity : seconds(primitive, unlessSlowerThan: other)
    }

    /// The same of a function of every number.
    ///
    /// - Parameter bytes: that it overwrites.
    func seconds(_ activation: any PlanKernel, inPlace bytes: Int) -> Double {
        let pointers = memory([bytes, 0, 0, 0, activation.scratchpadBytes])
        if let gelu = activation as? GELUKernel {
            gelu.bind(source: pointers[0], destination: pointers[0])
        } else if let primitive = activation as? Primitive {
            let isBound: ()? = try? primitive.bind(
                source: pointers[0], destination: pointers[0], scratchpad: pointers[4])
            if isBound == nil { return .infinity }
        }
        return seconds(activation, unlessSlowerThan: .infinity)
    }

    private func memory(_ sizes: [Int]) -> [UnsafeMutableRawPointer] {
        for (index, bytes) in sizes.enumerated() where buffers[index].bytes < bytes {
            buffers[index] = AlignedBuffer(bytes: 0)
            buffers[index] = AlignedBuffer(filled: bytes)
        }
        return buffers.map(\.pointer)
    }

    private func seconds(_ kernel: any PlanKernel, unlessSlowerThan other: Double) -> Double {
        var (best, sum) = (Double.infinity, 0.0)
        for run in 0..<4 {
            let begin = ContinuousClock.now
            guard (try? kernel.execute(in: context)) != nil else { return .infinity }
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            (best, sum) = (min(best, seconds), sum + seconds)
            if seconds > 2 * other || (run > 0 && sum > 0.02) { break }
        }
        return best
    }
}

extension Primitive {
    /// Whether it is written for any layout, one number after the other.
    var isPlainLoop: Bool { kernel.contains("ref") }

    /// Kernels that are never worth a try beside others: plain loops, and those for much older processors.
    var isSlow: Bool {
        let isWide = ArithmeticLibrary.instructionSet.hasPrefix("avx512")
        return kernel.contains("ref") || kernel.hasPrefix("gemm") || kernel.contains("sse41")
            || (isWide && kernel.hasSuffix("avx2"))
    }
}

extension AlignedBuffer {
    /// Holds ordinary numbers, whatever the element.
    convenience init(filled bytes: Int) {
        self.init(bytes: bytes)
        let words = pointer.assumingMemoryBound(to: UInt32.self)
        // Every half of it is a small number as float32, as bfloat16 and as bytes.
        for index in 0..<self.bytes / 4 { words[index] = 0x3c01_3c01 &+ UInt32(index & 0x3f) }
    }
}

import COneDNN

/// Benchmarks primitives on its own memory. Belongs to one thread.
final class KernelBench {
    let context: Context
    private var buffers = (0..<5).map { _ in AlignedBuffer(bytes: 0) }

    init() throws { context = try Context() }

    /// Minimum seconds of a few runs after a warm-up. The warm-up alone counts if it is much slower than `other`;
    /// infinite if the primitive fails. `sizes`: bytes of source, weights and destination. `bias`: bytes.
    func seconds(
        _ primitive: Primitive, _ sizes: [Int], bias: Int, unlessSlowerThan other: Double = .infinity
    ) -> Double {
        let pointers = memory(sizes + [bias, primitive.scratchpadBytes])
        let buffers = KernelBuffers(
            sources: [pointers[0]], weights: sizes[1] > 0 ? pointers[1] : nil, bias: bias > 0 ? pointers[3] : nil,
            destination: pointers[2], scratchpad: pointers[4])
        return seconds(primitive, buffers, unlessSlowerThan: other)
    }

    /// Minimum seconds of an activation applied in place. `bytes`: size of the buffer.
    func seconds(_ activation: any PlanKernel, inPlace bytes: Int) -> Double {
        let pointers = memory([bytes, 0, 0, 0, activation.scratchpadBytes])
        let buffers = KernelBuffers(sources: [pointers[0]], destination: pointers[0], scratchpad: pointers[4])
        return seconds(activation, buffers, unlessSlowerThan: .infinity)
    }

    private func memory(_ sizes: [Int]) -> [UnsafeMutableRawPointer] {
        for (index, bytes) in sizes.enumerated() where buffers[index].bytes < bytes {
            buffers[index] = AlignedBuffer(bytes: 0)
            buffers[index] = AlignedBuffer(filled: bytes)
        }
        return buffers.map(\.pointer)
    }

    private func seconds(
        _ kernel: any PlanKernel, _ buffers: KernelBuffers, unlessSlowerThan other: Double
    ) -> Double {
        guard let execute = try? kernel.bind(buffers) else { return .infinity }
        var (best, sum) = (Double.infinity, 0.0)
        for run in 0..<4 {
            let begin = ContinuousClock.now
            guard (try? execute(context)) != nil else { return .infinity }
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            (best, sum) = (min(best, seconds), sum + seconds)
            if seconds > 2 * other || (run > 0 && sum > 0.02) { break }
        }
        return best
    }
}

extension Primitive {
    /// Whether it is oneDNN's reference implementation.
    var isPlainLoop: Bool { kernel.contains("ref") }

    /// Whether it is a reference loop or a kernel for a much older processor, which is never the fastest.
    var isSlow: Bool {
        let isWide = ArithmeticLibrary.instructionSet.hasPrefix("avx512")
        return kernel.contains("ref") || kernel.hasPrefix("gemm") || kernel.contains("sse41")
            || (isWide && kernel.hasSuffix("avx2"))
    }
}

extension AlignedBuffer {
    /// Filled with normal numbers, whatever the element type.
    convenience init(filled bytes: Int) {
        self.init(bytes: bytes)
        let words = pointer.assumingMemoryBound(to: UInt32.self)
        // Each half-word is a small number as float32, as bfloat16 and as bytes.
        let pattern = (0..<64).map { 0x3c01_3c01 &+ $0 as UInt32 }
        for first in stride(from: 0, to: self.bytes / 4, by: 64) {
            (words + first).update(from: pattern, count: min(64, self.bytes / 4 - first))
        }
    }
}

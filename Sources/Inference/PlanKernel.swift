import COneDNN

/// A step of a plan: a oneDNN primitive or a custom kernel.
protocol PlanKernel {
    var name: String { get }
    /// The implementation, such as `jit:avx512_core`.
    var kernel: String { get }
    var scratchpadBytes: Int { get }
    /// Returns the execution on these buffers, which must outlive it. A primitive executes on the last ones bound.
    func bind(_ buffers: KernelBuffers) throws -> (Context) throws -> Void
}

struct KernelBuffers {
    /// More than one for a concatenation.
    let sources: [UnsafeMutableRawPointer]
    /// The second operand.
    var second: UnsafeMutableRawPointer?
    /// Packed weights, or the table of a row operation.
    var weights: UnsafeMutableRawPointer?
    var bias: UnsafeMutableRawPointer?
    let destination: UnsafeMutableRawPointer
    let scratchpad: UnsafeMutableRawPointer

    var source: UnsafePointer<Float> { UnsafePointer(sources[0].assumingMemoryBound(to: Float.self)) }
    var floats: UnsafeMutablePointer<Float> { destination.assumingMemoryBound(to: Float.self) }
    var bytes: UnsafeMutablePointer<UInt8> { destination.assumingMemoryBound(to: UInt8.self) }
}

/// A kernel of this program.
struct CustomKernel: PlanKernel {
    let name: String
    let kernel: String
    var scratchpadBytes = 0
    let run: (KernelBuffers) throws -> Void

    func bind(_ buffers: KernelBuffers) -> (Context) throws -> Void { { [run] _ in try run(buffers) } }
}

extension Primitive: PlanKernel {
    func bind(_ buffers: KernelBuffers) throws -> (Context) throws -> Void {
        if buffers.sources.count > 1 {
            let sources: [UnsafeMutableRawPointer?] = buffers.sources
            try check(
                onednn_concatenation_bind(
                    handle, Int32(sources.count), sources, buffers.destination, buffers.scratchpad), name)
        } else {
            try bind(
                source: buffers.sources[0], second: buffers.second, weights: buffers.weights, bias: buffers.bias,
                destination: buffers.destination, scratchpad: buffers.scratchpad)
        }
        return execute(in:)
    }
}

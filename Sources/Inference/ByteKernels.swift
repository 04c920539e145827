import CElementwise
import NeuralNetwork

/// Quantises values to int8 or uint8 with a zero point.
struct ShiftKernel: PlanKernel {
    let name: String
    let count: Int
    let qparams: QuantizationParameters

    var kernel: String { "bytes" }
    var scratchpadBytes: Int { 0 }

    func bind(_ buffers: KernelBuffers) -> (Context) throws -> Void {
        { [self] _ in
            elementwise_shift(count, 1 / qparams.scale, Int32(qparams.zeroPoint), buffers.source, buffers.bytes)
        }
    }

/// Multiplies channels by their gates and quantises the result: one pass instead of a product and a reorder.
struct GateKernel: PlanKernel {
    let name: String
    /// Of one image.
    let shape: ImageShape
    let batch: Int
    let qparams: QuantizationParameters

    var kernel: String { "bytes" }
    var scratchpadBytes: Int { 0 }

    func bind(_ buffers: KernelBuffers) throws -> (Context) throws -> Void {
        guard let gates = buffers.second?.assumingMemoryBound(to: Float.self) else {
            throw PlanError.unsupported(node: name)
        }
        return { [self] _ in
            let (pixels, channels) = (shape.pixels, shape.channels)
            for image in 0..<batch {
                let first = image * pixels * channels
                elementwise_gate(
                    pixels, channels, 1 / qparams.scale, Int32(qparams.zeroPoint), buffers.source + first,
                    gates + image * channels, buffers.bytes + first)
            }
        }
    }

/// GELU in `f32`, optionally quantised. oneDNN's fused epilogue computes an exponential per element; a rational
/// approximation takes less than half as long, even in a pass of its own.
struct GELUKernel: PlanKernel {
    let name: String
    let count: Int
    let qparams: QuantizationParameters?

    var kernel: String { qparams == nil ? "numbers" : "bytes" }
    var scratchpadBytes: Int { 0 }

    /// Source and destination may be the same if the output is not quantised.
    func bind(_ buffers: KernelBuffers) -> (Context) throws -> Void {
        { [self] _ in
            if let qparams {
                elementwise_gelu_bytes(
                    count, 1 / qparams.scale, Int32(qparams.zeroPoint), buffers.source, buffers.bytes)
            } else {
                elementwise_gelu(count, buffers.source, buffers.floats)
            }
        }
    }
}

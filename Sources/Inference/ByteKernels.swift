import CElementwise
import NeuralNetwork

extension CustomKernel {
    /// Quantises values to int8 or uint8 with a zero point.
    static func shift(_ name: String, count: Int, _ qparams: QuantizationParameters) -> CustomKernel {
        CustomKernel(name: name, kernel: "bytes") {
            elementwise_shift(count, 1 / qparams.scale, qparams.zeroPoint, $0.source, $0.bytes)
        }
    }

    /// Multiplies channels by their gates, the second operand, and quantises the result: one pass instead of a product
    /// and a reorder. `shape`: of one image.
    static func gate(
        _ name: String, _ shape: ImageShape, batch: Int, _ qparams: QuantizationParameters
    ) -> CustomKernel {
        CustomKernel(name: name, kernel: "bytes") { buffers in
            let gates = buffers.second!.assumingMemoryBound(to: Float.self)
            for image in 0..<batch {
                let first = image * shape.size
                elementwise_gate(
                    shape.pixels, shape.channels, 1 / qparams.scale, qparams.zeroPoint, buffers.source + first,
                    gates + image * shape.channels, buffers.bytes + first)
            }
        }
    }

    /// GELU in `f32`, optionally quantised. oneDNN's fused epilogue computes an exponential per element; a rational
    /// approximation takes less than half as long, even in a pass of its own. Source and destination may be the same if
    /// the output is not quantised.
    static func gelu(_ name: String, count: Int, _ qparams: QuantizationParameters?) -> CustomKernel {
        guard let qparams else {
            return CustomKernel(name: name, kernel: "numbers") { elementwise_gelu(count, $0.source, $0.floats) }
        }
        return CustomKernel(name: name, kernel: "bytes") {
            elementwise_gelu_bytes(count, 1 / qparams.scale, qparams.zeroPoint, $0.source, $0.bytes)
        }
    }
}

import CElementwise
import COneDNN
import NeuralNetwork

/// Quantises values to int8 or uint8 with a zero point.
final class ShiftKernel: PlanKernel {
    let name: String
    private let count: Int
    private let quantum: QuantizationParameters
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutablePointer<UInt8>(bitPattern: 64)!

    init(_ name: String, count: Int, _ quantum: QuantizationParameters) {
        (self.name, self.count, self.quantum) = (name, count, quantum)
    }

    var kernel: String { "bytes" }
    var scratchpadBytes: Int { 0 }

    /// Buffers must stay valid until the kernel is bound again.
    func bind(source: UnsafeMutableRawPointer, destination: UnsafeMutableRawPointer) {
        self.source = UnsafePointer(source.assumingMemoryBound(to: Float.self))
        self.destination = destination.assumingMemoryBound(to: UInt8.self)
    }

    func execute(in context: Context) {
        elementwise_shift(count, 1 / quantum.scale, Int32(quantum.zeroPoint), source, destination)
    }
}

/// Multiplies channels by their gates and quantises the result: one pass instead of a product and a reorder.
final class GateKernel: PlanKernel {
    let name: String
    private let shape: ImageShape
    private let batch: Int
    private let quantum: QuantizationParameters
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var gates = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutablePointer<UInt8>(bitPattern: 64)!

    /// - Parameter shape: of one image.
    init(_ name: String, _ shape: ImageShape, batch: Int, _ quantum: QuantizationParameters) {
        (self.name, self.shape, self.batch, self.quantum) = (name, shape, batch, quantum)
    }

    var kernel: String { "bytes" }
    var scratchpadBytes: Int { 0 }

    /// Buffers must stay valid until the kernel is bound again.
    func bind(source: UnsafeMutableRawPointer, gates: UnsafeMutableRawPointer, destination: UnsafeMutableRawPointer) {
        self.source = UnsafePointer(source.assumingMemoryBound(to: Float.self))
        self.gates = UnsafePointer(gates.assumingMemoryBound(to: Float.self))
        self.destination = destination.assumingMemoryBound(to: UInt8.self)
    }

    func execute(in context: Context) {
        let (pixels, channels) = (shape.pixels, shape.channels)
        for picture in 0..<batch {
            elementwise_gate(
                pixels, channels, 1 / quantum.scale, Int32(quantum.zeroPoint), source + picture * pixels * channels,
                gates + picture * channels, destination + picture * pixels * channels)
        }
    }
}

/// GELU in `f32`, optionally quantised. oneDNN's fused epilogue computes an exponential per element; a rational
/// approximation takes less than half as long, even in a pass of its own.
final class GELUKernel: PlanKernel {
    let name: String
    private let count: Int
    private let quantum: QuantizationParameters?
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutableRawPointer(bitPattern: 64)!

    init(_ name: String, count: Int, _ quantum: QuantizationParameters? = nil) {
        (self.name, self.count, self.quantum) = (name, count, quantum)
    }

    var kernel: String { quantum == nil ? "numbers" : "bytes" }
    var scratchpadBytes: Int { 0 }

    /// Buffers must stay valid until the kernel is bound again. They may be the same if the output is not quantised.
    func bind(source: UnsafeMutableRawPointer, destination: UnsafeMutableRawPointer) {
        self.source = UnsafePointer(source.assumingMemoryBound(to: Float.self))
        self.destination = destination
    }

    func execute(in context: Context) {
        if let quantum {
            elementwise_gelu_bytes(
                count, 1 / quantum.scale, Int32(quantum.zeroPoint), source,
                destination.assumingMemoryBound(to: UInt8.self))
        } else {
            elementwise_gelu(count, source, destination.assumingMemoryBound(to: Float.self))
        }
    }
}

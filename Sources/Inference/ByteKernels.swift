import CElementwise
import COneDNN
import NeuralNetwork

/// Numbers as bytes with another one than 0 for 0.
final class ShiftKernel: PlanKernel {
    let name: String
    private let count: Int
    private let quantum: Quantum
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutablePointer<UInt8>(bitPattern: 64)!

    init(_ name: String, count: Int, _ quantum: Quantum) {
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

/// Channels times their gates, as bytes: one pass over numbers that a product and a change of elements would take two for.
final class GateKernel: PlanKernel {
    let name: String
    private let shape: ImageShape
    private let batch: Int
    private let quantum: Quantum
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var gates = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutablePointer<UInt8>(bitPattern: 64)!

    /// - Parameter shape: of one picture.
    init(_ name: String, _ shape: ImageShape, batch: Int, _ quantum: Quantum) {
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

/// GELU in `f32`, or as bytes. oneDNN's kernels end with it themselves, by an exponential for every number; a quotient of
/// polynomials takes less than half as long, also where it reads what they leave.
final class GELUKernel: PlanKernel {
    let name: String
    private let count: Int
    private let quantum: Quantum?
    private var source = UnsafePointer<Float>(bitPattern: 64)!
    private var destination = UnsafeMutableRawPointer(bitPattern: 64)!

    init(_ name: String, count: Int, _ quantum: Quantum? = nil) {
        (self.name, self.count, self.quantum) = (name, count, quantum)
    }

    var kernel: String { quantum == nil ? "numbers" : "bytes" }
    var scratchpadBytes: Int { 0 }

    /// Buffers must stay valid until the kernel is bound again. Both may be the same where it makes no bytes.
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

import COneDNN
import NeuralNetwork

/// Executes a convolutional graph on batches of a fixed size, through oneDNN.
///
/// Make a plan in the thread that runs it: oneDNN fixes the number of threads of each primitive when
/// it is made (`ArithmeticLibrary.setThreadsOfCallingThread`). Batch normalisation is folded into the
/// convolutions, sums and activations are fused, activations share one arena, and the weights come
/// from `PackedWeights`, which plans of several workers share.
public final class InferencePlan {
    /// Pictures in one run.
    public let batch: Int
    /// Shape of one picture's output: `[D]`, or `[height, width, channels]` of an image.
    let outputShape: [Int]

    private let context: Context
    private let memory: PlanMemory
    let inputShape: ImageShape
    private let steps: [any PlanKernel]
    private let layers: [PackedWeights.Layer]
    private let tables: [PackedWeights.Table]
    private let observations: [Observation?]

    /// - `output`: a name in `graph.outputs`.
    /// - `batch`: pictures in one run, at least 1.
    /// - `arithmetic`: works on every processor, but see `Precision.isNative`.
    /// - `tuning`: what is known of kernels on this machine; what is not known yet is measured. Nil leaves
    ///   the choice to oneDNN, without measuring anything.
    /// - `pictures`: how many are left for plans like this. Measuring takes at most 3 % of the time they should take.
    /// - Throws: `PlanError`, `ArithmeticError`, or what the weights' source throws.
    public convenience init(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, arithmetic: Arithmetic = .f32,
        tuning: KernelTuning? = nil, pictures: Int? = nil
    ) throws {
        let request = PlanRequest(
            graph: graph, output: output, batch: batch, arithmetic: arithmetic, pictures: pictures)
        try self.init(PlanParts(request, weights, tuning: tuning))
    }

    init(_ parts: PlanParts) throws {
        let operations = parts.operations
        let memory = PlanMemory(parts)
        var (layers, tables) = (parts.layers.makeIterator(), parts.tables.makeIterator())
        for operation in operations {
            try memory.bind(
                operation, layer: operation.layer == nil ? nil : layers.next(),
                table: operation.table == nil ? nil : tables.next())
        }
        batch = parts.batch
        context = parts.context
        self.memory = memory
        inputShape = parts.lowering.shapes[parts.lowering.input]
        outputShape = parts.outputShape
        steps = operations.map(\.kernel)
        self.layers = parts.layers
        self.tables = parts.tables
        observations = operations.map { operation in
            operation.observed.map {
                Observation(
                    values: memory.pointer(operation.destination), layout: $0.layout, quantum: $0.quantum,
                    shape: parts.lowering.shapes[$0.value])
            }
        }
    }

    /// Where a layer's output stands right after it was computed.
    private struct Observation {
        let values: UnsafeMutableRawPointer
        let layout: Layout
        /// What one step is worth where the numbers are whole.
        let quantum: Quantum?
        let shape: ImageShape
    }

    /// The kernel that computes each step, for `describe` and benchmarks.
    public var kernels: [(name: String, kernel: String)] { steps.map { ($0.name, $0.kernel) } }

    /// Seconds that each step takes on whatever its memory holds, the least of `rounds`.
    public func seconds(rounds: Int) throws -> [(name: String, kernel: String, seconds: Double)] {
        var least = [Double](repeating: .infinity, count: steps.count)
        for _ in 0..<rounds {
            for (index, step) in steps.enumerated() {
                let begin = ContinuousClock.now
                try step.execute(in: context)
                least[index] = min(least[index], (ContinuousClock.now - begin) / .seconds(1))
            }
        }
        return zip(steps, least).map { ($0.name, $0.kernel, $1) }
    }

    /// Runs the network on up to `batch` pictures, or clips of so many frames, of 8-bit RGB.
    ///
    /// - `pixels`: `[count, height, width, 3]`, or `[count, frames, height, width, 3]`; count from 1 to `batch`.
    /// - Returns: `[count] + outputShape`.
    public func run(pixels: [UInt8], normalization: PixelNormalization) throws -> Tensor {
        try run(pictures: [pixels], normalization: normalization, observe: nil)
    }

    /// Runs the network on up to `batch` pictures of 8-bit RGB.
    ///
    /// - `pictures`: each `[height, width, 3]`, or several of these in a row.
    /// - Returns: `[count] + outputShape`.
    public func run(pictures: [[UInt8]], normalization: PixelNormalization) throws -> Tensor {
        try run(pictures: pictures, normalization: normalization, observe: nil)
    }

    /// - Parameter observe: is shown the network's input and the output of each convolution in `f32`, in any
    ///   order of numbers, perhaps with zeros between them.
    func run(
        pictures: [[UInt8]], normalization: PixelNormalization,
        observe: ((_ layer: String, UnsafeBufferPointer<Float>) -> Void)?
    ) throws -> Tensor {
        let picture = inputShape.size
        let pixels = pictures.reduce(0) { $0 + $1.count }
        precondition(inputShape.channels == 3 && pixels % picture == 0)
        let count = pixels / picture
        precondition((1...batch).contains(count), "\(count) pictures in a batch of \(batch)")
        let input = memory.fill(pictures, normalization)
        if let observe {
            observe(Calibration.input, UnsafeBufferPointer(start: input, count: pixels))
            for (step, observation) in zip(steps, observations) {
                try step.execute(in: context)
                guard let observation, observation.layout.element == ONEDNN_F32 else { continue }
                let values = UnsafePointer(observation.values.assumingMemoryBound(to: Float.self))
                observe(step.name, UnsafeBufferPointer(start: values, count: observation.layout.bytes / 4))
            }
        } else {
            for step in steps { try step.execute(in: context) }
        }
        return memory.output([count] + outputShape)
    }

    /// Runs the network and shows what each convolution, normalisation and step on rows gives, as numbers in `f32`,
    /// `[picture, row, column, channel]`, whatever they are kept in.
    func trace(
        pixels: [UInt8], normalization: PixelNormalization, show: (_ layer: String, [Float]) -> Void
    ) throws {
        _ = try run(pictures: [pixels], normalization: normalization)
        for (step, observation) in zip(steps, observations) {
            try step.execute(in: context)
            guard let observation else { continue }
            let shape = observation.shape
            let plain = try Layout(
                shape.dimensions(batch: batch, withFrames: false), ONEDNN_CHANNELS_LAST, ONEDNN_F32)
            let reorder = try Primitive(step.name + ".trace") {
                onednn_requantization_create(
                    context.handle, observation.layout.handle, plain.handle, observation.quantum?.scale ?? 1,
                    observation.quantum?.zeroPoint ?? 0, 0, $0)
            }
            let (target, scratch) = (AlignedBuffer(bytes: plain.bytes), AlignedBuffer(bytes: reorder.scratchpadBytes))
            try reorder.bind(source: observation.values, destination: target.pointer, scratchpad: scratch.pointer)
            try reorder.execute(in: context)
            let numbers = target.pointer.assumingMemoryBound(to: Float.self)
            show(step.name, Array(UnsafeBufferPointer(start: numbers, count: plain.bytes / 4)))
        }
    }
}

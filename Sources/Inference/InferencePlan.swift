import COneDNN
import NeuralNetwork

/// Executes a graph on batches of a fixed size through oneDNN.
///
/// Create a plan in the thread that runs it: oneDNN fixes a primitive's number of threads at creation
/// (`ArithmeticLibrary.setThreadsOfCallingThread`). Batch normalisation is folded into the convolutions, sums and
/// activations are fused, and activations share one arena. The weights come from `PackedWeights`, which the plans of
/// several workers share.
package final class InferencePlan {
    package let batch: Int
    /// Shape of one image's output: `[D]`, or `[height, width, channels]` of a feature map.
    let outputShape: [Int]

    private let context: Context
    private let memory: PlanMemory
    let inputShape: ImageShape
    private let steps: [Step]
    private let layers: [PackedWeights.Layer]
    private let tables: [PackedWeights.Table]
    private let observations: [Observation?]

    /// - `output`: a name in `graph.outputs`.
    /// - `batch`: images per run, at least 1.
    /// - `arithmetic`: works on every processor, but see `Precision.isNative`.
    /// - `tuning`: measured kernel times of this machine; missing ones are measured. Nil leaves the choice to oneDNN
    ///   without measuring.
    /// - `images`: expected number of images for such plans. Measuring takes at most 3 % of their estimated time.
    /// - Throws: `PlanError`, `ArithmeticError`, or the weights' errors.
    package convenience init(
        graph: Graph, output: String, batch: Int, weights: PackedWeights, arithmetic: Arithmetic = .f32,
        tuning: KernelTuning? = nil, images: Int? = nil
    ) throws {
        let request = PlanRequest(
            graph: graph, output: output, batch: batch, arithmetic: arithmetic, images: images)
        try self.init(CompiledPlan(request, weights, tuning: tuning))
    }

    init(_ parts: CompiledPlan) throws {
        let operations = parts.operations
        let memory = PlanMemory(parts)
        var (layers, tables) = (parts.layers.makeIterator(), parts.tables.makeIterator())
        steps = try operations.map { operation in
            let execute = try memory.bind(
                operation, layer: operation.layer == nil ? nil : layers.next(),
                table: operation.table == nil ? nil : tables.next())
            return (operation.kernel.name, operation.kernel.kernel, execute)
        }
        batch = parts.batch
        context = parts.context
        self.memory = memory
        inputShape = parts.lowering.shapes[parts.lowering.input]
        outputShape = parts.outputShape
        self.layers = parts.layers
        self.tables = parts.tables
        observations = operations.map { operation in
            operation.observed.map {
                Observation(
                    values: memory.pointer(operation.destination), layout: $0.layout, qparams: $0.qparams,
                    shape: parts.lowering.shapes[$0.value])
            }
        }
    }

    private typealias Step = (name: String, kernel: String, execute: (Context) throws -> Void)

    /// Where a layer's output is in memory right after it was computed.
    private struct Observation {
        let values: UnsafeMutableRawPointer
        let layout: Layout
        /// Quantisation of the elements, or nil if they are not quantised.
        let qparams: QuantizationParameters?
        let shape: ImageShape
    }

    /// The implementation that oneDNN chose for each step, for `describe` and benchmarks.
    package var kernels: [(name: String, kernel: String)] { steps.map { ($0.name, $0.kernel) } }

    /// Seconds of each step on uninitialised data, the minimum of `rounds` runs.
    package func seconds(rounds: Int) throws -> [(name: String, kernel: String, seconds: Double)] {
        var least = [Double](repeating: .infinity, count: steps.count)
        for _ in 0..<rounds {
            for (index, step) in steps.enumerated() {
                let begin = ContinuousClock.now
                try step.execute(context)
                least[index] = min(least[index], (ContinuousClock.now - begin) / .seconds(1))
            }
        }
        return zip(steps, least).map { ($0.name, $0.kernel, $1) }
    }

    /// Runs the network on up to `batch` images or clips in 8-bit RGB. `pixels`: `[count, height, width, 3]`, or
    /// `[count, frames, height, width, 3]`; count from 1 to `batch`. Returns `[count] + outputShape`.
    package func run(pixels: [UInt8], normalization: PixelNormalization) throws -> Tensor {
        try run(images: [pixels], normalization: normalization)
    }

    /// As `run(images:)`, on any number of images. Returns the elements of all outputs.
    package func run(all images: [[UInt8]], normalization: PixelNormalization) throws -> [Float] {
        try images.batches(of: batch).flatMap { try run(images: $0, normalization: normalization).values }
    }

    /// Runs the network on up to `batch` images in 8-bit RGB. `images`: each `[height, width, 3]`, or several frames
    /// `[frames, height, width, 3]`. `observe`: called with the network's input and each convolution's output in `f32`,
    /// in any memory layout, possibly zero-padded. Returns `[count] + outputShape`.
    package func run(
        images: [[UInt8]], normalization: PixelNormalization,
        observe: ((_ layer: String, UnsafeBufferPointer<Float>) -> Void)? = nil
    ) throws -> Tensor {
        let imageElements = inputShape.size
        let pixels = images.reduce(0) { $0 + $1.count }
        precondition(inputShape.channels == 3 && pixels % imageElements == 0)
        let count = pixels / imageElements
        precondition((1...batch).contains(count), "\(count) images in a batch of \(batch)")
        let input = memory.fill(images, normalization)
        if let observe {
            observe(Calibration.input, UnsafeBufferPointer(start: input, count: pixels))
            for (step, observation) in zip(steps, observations) {
                try step.execute(context)
                guard let observation, observation.layout.element == ONEDNN_F32 else { continue }
                let values = UnsafePointer(observation.values.assumingMemoryBound(to: Float.self))
                observe(step.name, UnsafeBufferPointer(start: values, count: observation.layout.bytes / 4))
            }
        } else {
            for step in steps { try step.execute(context) }
        }
        return memory.output([count] + outputShape)
    }

    /// Runs the network and reports the output of each convolution, normalisation and row operation in `f32`, `[image,
    /// row, column, channel]`, whatever the stored type.
    func trace(
        pixels: [UInt8], normalization: PixelNormalization, show: (_ layer: String, [Float]) -> Void
    ) throws {
        _ = try run(images: [pixels], normalization: normalization)
        for (step, observation) in zip(steps, observations) {
            try step.execute(context)
            guard let observation else { continue }
            let shape = observation.shape
            let plain = try Layout(
                shape.dimensions(batch: batch, withFrames: false), ONEDNN_CHANNELS_LAST, ONEDNN_F32)
            let reorder = try Primitive(step.name + ".trace") {
                onednn_requantization_create(
                    context.handle, observation.layout.handle, plain.handle, observation.qparams?.scale ?? 1,
                    observation.qparams?.zeroPoint ?? 0, 0, $0)
            }
            let target = AlignedBuffer(bytes: plain.bytes)
            try reorder.run(from: observation.values, to: target.pointer, in: context)
            let numbers = target.pointer.assumingMemoryBound(to: Float.self)
            show(step.name, Array(UnsafeBufferPointer(start: numbers, count: plain.bytes / 4)))
        }
    }
}

import COneDNN

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
    public let outputShape: [Int]
    /// Bytes of activations and scratch space, without the weights.
    public var workingBytes: Int { arena.bytes + scratchpad.bytes + inputBuffer.bytes + outputBuffer.bytes }

    private let context: Context
    private let arena: AlignedBuffer
    private let scratchpad: AlignedBuffer
    private let inputBuffer: AlignedBuffer
    private let outputBuffer: AlignedBuffer
    private let inputShape: ImageShape
    private let primitives: [Primitive]
    private let layers: [PackedWeights.Layer]

    /// - Parameters:
    ///   - output: a name in `graph.outputs`.
    ///   - batch: pictures in one run, at least 1.
    /// - Throws: `PlanError`, `ArithmeticError`, or what the weights' source throws.
    public init(graph: Graph, output: String, batch: Int, weights: PackedWeights) throws {
        guard let node = graph.outputs[output] else {
            throw PlanError.unknownOutput(output, available: graph.outputs.keys.sorted())
        }
        precondition(batch > 0)
        let lowering = try Lowering(graph, output: node)
        let context = try Context()
        var compiler = PlanCompiler(graph: graph, batch: batch, context: context, weights: weights)
        let operations = try compiler.compile(lowering)
        let (offsets, bytes) = MemoryPlanner.place(compiler.buffers)
        let arena = AlignedBuffer(bytes: bytes)
        let scratchpad = AlignedBuffer(bytes: operations.map(\.primitive.scratchpadBytes).max() ?? 0)
        let input = AlignedBuffer(bytes: compiler.inputBytes)
        let destination = AlignedBuffer(bytes: compiler.outputBytes)
        func pointer(_ buffer: PlanCompiler.Buffer) -> UnsafeMutableRawPointer {
            switch buffer {
            case .input: input.pointer
            case .output: destination.pointer
            case .arena(let index): arena.pointer + offsets[index]
            }
        }
        for operation in operations {
            if operation.sources.count > 1 {
                try operation.primitive.bind(
                    sources: operation.sources.map(pointer), destination: pointer(operation.destination),
                    scratchpad: scratchpad.pointer)
                continue
            }
            try operation.primitive.bind(
                source: pointer(operation.sources[0]), second: operation.second.map(pointer),
                weights: operation.layer?.weights.pointer, bias: operation.layer?.bias.pointer,
                destination: pointer(operation.destination), scratchpad: scratchpad.pointer)
        }
        self.batch = batch
        self.context = context
        self.arena = arena
        self.scratchpad = scratchpad
        inputBuffer = input
        outputBuffer = destination
        inputShape = lowering.shapes[lowering.input]
        outputShape = try graph.featureShape(of: output)
        primitives = operations.map(\.primitive)
        layers = operations.compactMap(\.layer)
    }

    /// The kernel that computes each step, for `describe` and benchmarks.
    public var kernels: [(name: String, kernel: String)] { primitives.map { ($0.name, $0.kernel) } }

    /// Runs the network on up to `batch` pictures of 8-bit RGB.
    ///
    /// - Parameter pixels: `[count, height, width, 3]`, count from 1 to `batch`.
    /// - Returns: `[count] + outputShape`.
    public func run(pixels: [UInt8], normalization: PixelNormalization) throws -> Tensor {
        let picture = inputShape.height * inputShape.width * inputShape.channels
        precondition(inputShape.channels == 3 && pixels.count % picture == 0)
        let count = pixels.count / picture
        precondition((1...batch).contains(count), "\(count) pictures in a batch of \(batch)")
        let input = inputBuffer.pointer.assumingMemoryBound(to: Float.self)
        pixels.withUnsafeBufferPointer { normalization.apply(to: $0, into: input) }
        (input + pixels.count).update(repeating: 0, count: (batch - count) * picture)
        for primitive in primitives { try primitive.execute(in: context) }
        let values = outputShape.reduce(count, *)
        let output = UnsafeBufferPointer(start: outputBuffer.pointer.assumingMemoryBound(to: Float.self), count: values)
        return Tensor(shape: [count] + outputShape, values: Array(output))
    }
}

/// How 8-bit RGB becomes a network's input: value · scale + offset, for each channel.
public struct PixelNormalization: Sendable, Equatable {
    /// Factor of red, green, blue.
    public let scale: [Float]
    /// Summand of red, green, blue.
    public let offset: [Float]

    /// Whether the network's first channel is blue.
    public let isBlueFirst: Bool

    /// (value / 255 − mean) / deviation for red, green, blue.
    public init(mean: [Float], deviation: [Float], isBlueFirst: Bool = false) {
        self.isBlueFirst = isBlueFirst
        scale = deviation.map { 1 / (255 * $0) }
        offset = zip(mean, deviation).map { -$0 / $1 }
    }

    func apply(to pixels: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<Float>) {
        // Sixteen pixels at a time: the three channels' factors repeat every 48 values.
        let factors = (0..<48).map { scale[$0 % 3] }
        let offsets = (0..<48).map { offset[$0 % 3] }
        let whole = pixels.count / 48 * 48
        factors.withUnsafeBufferPointer { factors in
            offsets.withUnsafeBufferPointer { offsets in
                var start = 0
                while start < whole {
                    for index in 0..<48 {
                        output[start + index] = Float(pixels[start + index]) * factors[index] + offsets[index]
                    }
                    start += 48
                }
                for index in whole..<pixels.count {
                    output[index] = Float(pixels[index]) * factors[index - whole] + offsets[index - whole]
                }
                guard isBlueFirst else { return }
                for index in stride(from: 0, to: pixels.count, by: 3) {
                    (output[index], output[index + 2]) = (output[index + 2], output[index])
                }
            }
        }
    }
}

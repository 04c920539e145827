import NeuralNetwork

struct PlanMemory {
    private let arena: AlignedBuffer
    private let offsets: [Int]
    private let scratchpad: AlignedBuffer
    private let input: AlignedBuffer
    private let output: AlignedBuffer

    init(_ parts: CompiledPlan) {
        let place = MemoryPlanner.place(parts.compiler.buffers)
        offsets = place.offsets
        arena = AlignedBuffer(bytes: place.bytes)
        scratchpad = AlignedBuffer(bytes: parts.operations.map(\.kernel.scratchpadBytes).max() ?? 0)
        input = AlignedBuffer(bytes: parts.compiler.inputBytes)
        output = AlignedBuffer(bytes: parts.compiler.outputBytes)
    }

    func pointer(_ buffer: PlanCompiler.Buffer) -> UnsafeMutableRawPointer {
        switch buffer {
        case .input: input.pointer
        case .output: output.pointer
        case .arena(let index): arena.pointer + offsets[index]
        }
    }

    func bind(
        _ operation: PlanCompiler.Operation, layer: PackedWeights.Layer?, table: PackedWeights.Table?
    ) throws -> (Context) throws -> Void {
        // A layer normalisation's table holds the scales, then as many shifts.
        try operation.kernel.bind(
            KernelBuffers(
                sources: operation.sources.map { pointer($0) + operation.offsets.source },
                second: operation.second.map(pointer), weights: layer?.weights.pointer ?? table?.values.pointer,
                bias: layer?.bias.pointer ?? table.map { $0.values.pointer + 2 * $0.count },
                destination: pointer(operation.destination) + operation.offsets.destination,
                scratchpad: scratchpad.pointer))
    }

    /// Writes images to the input and fills the rest of the batch with zeros.
    func fill(_ images: [[UInt8]], _ normalization: PixelNormalization) -> UnsafeMutablePointer<Float> {
        let numbers = input.pointer.assumingMemoryBound(to: Float.self)
        var written = 0
        for part in images {
            part.withUnsafeBufferPointer { normalization.apply(to: $0, into: numbers + written) }
            written += part.count
        }
        (numbers + written).update(repeating: 0, count: max(0, input.bytes / 4 - written))
        return numbers
    }

    /// The first elements of the output.
    func output(_ shape: [Int]) -> Tensor {
        let numbers = output.pointer.assumingMemoryBound(to: Float.self)
        return Tensor(shape: shape, values: Array(UnsafeBufferPointer(start: numbers, count: shape.reduce(1, *))))
    }
}

extension CompiledPlan {
    /// Runs the plan once while packing one layer's weights at a time, besides those that are already packed. `pixels`:
    /// of a whole batch.
    func runOnce(_ pixels: [UInt8], _ normalization: PixelNormalization, _ weights: PackedWeights) throws -> Tensor {
        let memory = PlanMemory(self)
        _ = memory.fill([pixels], normalization)
        var tables = tables.makeIterator()
        for operation in operations {
            let layer = try operation.layer.map { try weights.layer($0, in: compiler.graph, context) }
            let execute = try memory.bind(
                operation, layer: layer, table: operation.table == nil ? nil : tables.next())
            // The kernel holds only a pointer to the weights.
            try withExtendedLifetime(layer) { try execute(context) }
        }
        return memory.output([batch] + outputShape)
    }
}

import COneDNN

/// Turns lowered steps into oneDNN primitives with their layouts, and says which buffers they need when.
struct PlanCompiler {
    enum Buffer {
        case input
        case output
        case arena(Int)
    }

    struct Operation {
        let primitive: Primitive
        /// More than one for a concatenation.
        let sources: [Buffer]
        var second: Buffer?
        let destination: Buffer
        var layer: PackedWeights.Layer?
    }

    /// A value's memory and layout.
    private struct Placed {
        let buffer: Buffer
        let layout: Layout
    }

    private let graph: Graph
    private let batch: Int
    private let context: Context
    private let weights: PackedWeights
    private var operations: [Operation] = []
    private var values: [Lowering.Value: Placed] = [:]
    private var shapes: [ImageShape] = []

    private(set) var buffers: [MemoryPlanner.Request] = []
    private(set) var inputBytes = 0
    private(set) var outputBytes = 0

    init(graph: Graph, batch: Int, context: Context, weights: PackedWeights) {
        self.graph = graph
        self.batch = batch
        self.context = context
        self.weights = weights
    }

    mutating func compile(_ lowering: Lowering) throws -> [Operation] {
        shapes = lowering.shapes
        let inputLayout = try Layout(dimensions(lowering.input), ONEDNN_CHANNELS_LAST)
        inputBytes = inputLayout.bytes
        values[lowering.input] = Placed(buffer: .input, layout: inputLayout)
        for step in lowering.steps { try compile(step) }
        let wanted = try Layout(dimensions(lowering.output), ONEDNN_CHANNELS_LAST)
        outputBytes = wanted.bytes
        try appendReorder("output", values[lowering.output]!, to: wanted, .output)
        return operations
    }

    private mutating func compile(_ step: Lowering.Step) throws {
        switch step {
        case .convolution(let step): try compile(step)
        case .pooling(let name, let step, let input, let output):
            try compile(name, step, input: input, output: output)
        case .activation(let name, let activation, let input, let output):
            let source = values[input]!
            let primitive = try Primitive(name) {
                onednn_eltwise_create(context.handle, activation.code, source.layout.handle, $0)
            }
            append(primitive, source, output: output)
        case .binary(let name, let operation, let first, let second, let output):
            let (a, b) = (values[first]!, values[second]!)
            let kind = operation == .add ? ONEDNN_ADD : ONEDNN_MULTIPLY
            let primitive = try Primitive(name) {
                onednn_binary_create(context.handle, kind, a.layout.handle, b.layout.handle, $0)
            }
            touch(b.buffer)
            append(primitive, a, second: b.buffer, output: output)
        case .concatenation(let name, let inputs, let output):
            let sources = inputs.map { values[$0]! }
            let layouts: [OpaquePointer?] = sources.map(\.layout.handle)
            let primitive = try Primitive(name) {
                onednn_concatenation_create(context.handle, Int32(layouts.count), layouts, $0)
            }
            for source in sources { touch(source.buffer) }
            let destination = newBuffer(primitive.destination.bytes)
            operations.append(
                Operation(primitive: primitive, sources: sources.map(\.buffer), destination: destination))
            values[output] = Placed(buffer: destination, layout: primitive.destination)
        }
    }

    private mutating func compile(_ step: ConvolutionStep) throws {
        let (input, output) = (shapes[step.input], shapes[step.output])
        let window = step.options.window
        var options = onednn_convolution_options()
        options.batch = Int64(batch)
        (options.in_channels, options.out_channels) = (Int64(input.channels), Int64(output.channels))
        (options.in_height, options.in_width) = (Int64(input.height), Int64(input.width))
        (options.out_height, options.out_width) = (Int64(output.height), Int64(output.width))
        (options.kernel_height, options.kernel_width) = window.kernel.pair
        (options.stride_height, options.stride_width) = window.stride.pair
        (options.pad_top, options.pad_left) = window.leading.pair
        (options.pad_bottom, options.pad_right) = window.trailing.pair
        options.groups = Int64(step.options.groups)
        options.accumulate = step.accumulated != nil
        options.activation = step.activation?.code ?? ONEDNN_IDENTITY

        let accumulated = step.accumulated.map { values[$0]! }
        let primitive = try Primitive(step.name) {
            onednn_convolution_create(context.handle, &options, nil, accumulated?.layout.handle, $0)
        }
        var source = values[step.input]!
        if !(source.layout == primitive.source) { source = try reordered(source, to: primitive.source, step.name) }
        let layer = try weights.layer(step, in: graph, layout: primitive.weights!, context: context)
        append(primitive, source, into: accumulated?.buffer, layer: layer, output: step.output)
    }

    private mutating func compile(_ name: String, _ step: PoolingStep, input: Int, output: Int) throws {
        let (from, to) = (shapes[input], shapes[output])
        var options = onednn_pooling_options()
        options.kind = step.kind.code
        options.batch = Int64(batch)
        options.channels = Int64(from.channels)
        (options.in_height, options.in_width) = (Int64(from.height), Int64(from.width))
        (options.out_height, options.out_width) = (Int64(to.height), Int64(to.width))
        (options.kernel_height, options.kernel_width) = step.window.kernel.pair
        (options.stride_height, options.stride_width) = step.window.stride.pair
        (options.pad_top, options.pad_left) = step.window.leading.pair
        (options.pad_bottom, options.pad_right) = step.window.trailing.pair
        let source = values[input]!
        let primitive = try Primitive(name) {
            onednn_pooling_create(context.handle, &options, source.layout.handle, $0)
        }
        append(primitive, source, output: output)
    }

    // MARK: - Buffers

    private mutating func append(
        _ primitive: Primitive, _ source: Placed, second: Buffer? = nil, into existing: Buffer? = nil,
        layer: PackedWeights.Layer? = nil, output: Lowering.Value
    ) {
        let layout = primitive.destination
        touch(source.buffer)
        if let existing { touch(existing) }
        let destination = existing ?? newBuffer(layout.bytes)
        operations.append(
            Operation(
                primitive: primitive, sources: [source.buffer], second: second, destination: destination, layer: layer))
        values[output] = Placed(buffer: destination, layout: layout)
    }

    private mutating func reordered(_ source: Placed, to layout: Layout, _ name: String) throws -> Placed {
        let buffer = newBuffer(layout.bytes)
        try appendReorder(name + ".reorder", source, to: layout, buffer)
        return Placed(buffer: buffer, layout: layout)
    }

    private mutating func appendReorder(
        _ name: String, _ source: Placed, to layout: Layout, _ destination: Buffer
    ) throws {
        let primitive = try Primitive(name) {
            onednn_reorder_create(context.handle, source.layout.handle, layout.handle, $0)
        }
        touch(source.buffer)
        operations.append(Operation(primitive: primitive, sources: [source.buffer], destination: destination))
    }

    private mutating func newBuffer(_ bytes: Int) -> Buffer {
        buffers.append(.init(bytes: bytes, lifetime: operations.count...operations.count))
        return .arena(buffers.count - 1)
    }

    /// The operation about to be appended reads or writes the buffer.
    private mutating func touch(_ buffer: Buffer) {
        guard case .arena(let index) = buffer else { return }
        buffers[index].lifetime = buffers[index].lifetime.lowerBound...operations.count
    }

    private func dimensions(_ value: Lowering.Value) -> [Int] {
        [batch, shapes[value].channels, shapes[value].height, shapes[value].width]
    }
}

extension Activation {
    var code: onednn_activation {
        switch self {
        case .relu: ONEDNN_RELU
        case .sigmoid: ONEDNN_SIGMOID
        case .tanh: ONEDNN_TANH
        case .silu: ONEDNN_SILU
        }
    }
}

extension PoolingStep.Kind {
    var code: onednn_pooling_kind {
        switch self {
        case .max: ONEDNN_MAX
        case .average(countsPadding: false): ONEDNN_AVERAGE_EXCLUDING_PADDING
        case .average(countsPadding: true): ONEDNN_AVERAGE_INCLUDING_PADDING
        }
    }
}

extension Extent {
    fileprivate var pair: (Int64, Int64) { (Int64(height), Int64(width)) }
}

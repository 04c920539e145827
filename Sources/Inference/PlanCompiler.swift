import COneDNN
import NeuralNetwork

/// Compiles lowered steps to oneDNN primitives with their layouts, and records the lifetimes of their buffers.
struct PlanCompiler {
    enum Buffer: Equatable {
        case input
        case output
        case arena(Int)
    }

    struct Operation {
        let kernel: any PlanKernel
        /// More than one for a concatenation.
        let sources: [Buffer]
        var second: Buffer?
        let destination: Buffer
        var layer: PackedWeights.Request?
        var table: PackedWeights.TableRequest?
        /// Byte offsets into source and destination, for an operation on part of them.
        var offsets = (source: 0, destination: 0)
        /// Layout of the output if calibration observes it.
        var observed: (layout: Layout, qparams: QuantizationParameters?, value: Lowering.Value)?
    }

    /// A value's memory, layout and quantisation.
    struct Placed {
        let buffer: Buffer
        let layout: Layout
        var qparams: QuantizationParameters?
    }

    let graph: Graph
    let batch: Int
    let context: Context
    let weights: PackedWeights
    /// Element type of values that are not quantised.
    let element: onednn_element
    let quantization: Quantization?
    /// Nil leaves kernels and formats to oneDNN.
    let choice: KernelChoice?

    private(set) var operations: [Operation] = []
    var values: [Lowering.Value: Placed] = [:]
    /// Values converted to other layouts or element types than their step produced.
    private(set) var copies: [Lowering.Value: [Placed]] = [:]
    private(set) var shapes: [ImageShape] = []
    private(set) var input: Lowering.Value = 0
    /// The last step that reads each value.
    private(set) var lastUse: [Lowering.Value: Int] = [:]

    private(set) var buffers: [MemoryPlanner.Request] = []
    private(set) var inputBytes = 0
    private(set) var outputBytes = 0

    mutating func compile(_ lowering: Lowering) throws -> [Operation] {
        shapes = lowering.shapes
        input = lowering.input
        for (index, step) in lowering.steps.enumerated() {
            for input in step.inputs { lastUse[input] = index }
        }
        lastUse[lowering.output] = lowering.steps.count
        let inputLayout = try layout(lowering.input, ONEDNN_CHANNELS_LAST, ONEDNN_F32)
        inputBytes = inputLayout.bytes
        values[lowering.input] = Placed(buffer: .input, layout: inputLayout)
        for (index, step) in lowering.steps.enumerated() { try compile(step, at: index) }
        let wanted = try layout(lowering.output, ONEDNN_CHANNELS_LAST, ONEDNN_F32)
        outputBytes = wanted.bytes
        try appendReorder("output", values[lowering.output]!, to: wanted, nil, .output)
        return operations
    }

    private mutating func compile(_ step: Lowering.Step, at index: Int) throws {
        let (name, inputs, output) = (step.name, step.inputs, step.output)
        switch step.operation {
        case .convolution(let step): try compile(step)
        case .pooling(let pooling): try compile(name, pooling, input: inputs[0], output: output)
        case .activation(let activation):
            let source = try float(inputs[0], name)
            let primitive = try Primitive(name, activation.code, source.layout, context)
            append(primitive, source, into: overwritable(source, inputs[0], at: index), output: output)
        case .binary(let operation):
            try compile(name, operation, inputs[0], inputs[1], output: output, at: index)
        case .normalization(let epsilon, let parameters):
            try compile(name, epsilon, parameters, input: inputs[0], output: output)
        case .rows(let operation, let parameters):
            try compile(name, operation, parameters, input: inputs[0], output: output)
        case .concatenation: try compile(name, inputs, output: output)
        }
    }

    private mutating func compile(
        _ name: String, _ operation: BinaryOperation, _ first: Int, _ second: Int, output: Int, at index: Int
    ) throws {
        if operation == .multiply, let qparams = storedQParams(output), shapes[second].pixels == 1 {
            return try gate(name, first, second, qparams, output: output)
        }
        let kind = operation == .add ? ONEDNN_ADD : ONEDNN_MULTIPLY
        var (a, b) = (try float(first, name), try float(second, name))
        func make() throws -> Primitive {
            try Primitive(name) {
                onednn_binary_create(context.handle, kind, a.layout.handle, b.layout.handle, $0)
            }
        }
        var primitive = try make()
        if primitive.isPlainLoop {
            (a, b) = (try channelsLast(first, element, name), try channelsLast(second, element, name))
            primitive = try make()
        }
        touch(b.buffer)
        let existing = first == second ? nil : overwritable(a, first, at: index)
        append(primitive, a, second: b.buffer, into: existing, output: output)
        if operation == .multiply { observeLast(primitive.destination, output) }
    }

    /// Channels multiplied by their gates, for int8 readers.
    private mutating func gate(
        _ name: String, _ first: Int, _ second: Int, _ qparams: QuantizationParameters, output: Int
    ) throws {
        let source = try channelsLast(first, ONEDNN_F32, name)
        let gates = try channelsLast(second, ONEDNN_F32, name)
        touch(gates.buffer)
        let kernel = CustomKernel.gate(name, shapes[output], batch: batch, qparams)
        let bytes = try layout(output, ONEDNN_CHANNELS_LAST, qparams.element)
        append(kernel, source, second: gates.buffer, layout: bytes, qparams: qparams, output: output)
        observeLast(bytes, output, qparams: qparams)
    }

    private mutating func compile(_ name: String, _ inputs: [Int], output: Int) throws {
        let qparams = storedQParams(output)
        var sources = try inputs.map { try qparams == nil ? float($0, name) : whole($0, qparams!, name) }
        func make() throws -> Primitive {
            let layouts: [OpaquePointer?] = sources.map(\.layout.handle)
            return try Primitive(name) {
                onednn_concatenation_create(context.handle, Int32(layouts.count), layouts, $0)
            }
        }
        var primitive = try make()
        if qparams == nil, primitive.isPlainLoop {
            sources = try inputs.map { try channelsLast($0, element, name) }
            primitive = try make()
        }
        for source in sources { touch(source.buffer) }
        let destination = newBuffer(primitive.destination.bytes)
        operations.append(Operation(kernel: primitive, sources: sources.map(\.buffer), destination: destination))
        values[output] = Placed(buffer: destination, layout: primitive.destination, qparams: qparams)
    }

    /// The value as unquantised elements in channels last.
    mutating func channelsLast(
        _ value: Lowering.Value, _ element: onednn_element, _ name: String
    ) throws -> Placed { try converted(value, to: layout(value, ONEDNN_CHANNELS_LAST, element), nil, name) }

    /// The memory of a value that is not read after this step, for the step's output: this halves the memory traffic of
    /// a fresh buffer.
    func overwritable(_ placed: Placed, _ value: Lowering.Value, at index: Int) -> Buffer? {
        guard case .arena = placed.buffer, lastUse[value] == index else { return nil }
        return placed.buffer
    }

    // MARK: - Values

    /// Quantisation of a value that is stored in int8, or nil.
    func storedQParams(_ value: Lowering.Value) -> QuantizationParameters? {
        guard let quantization, quantization.stored.contains(value) else { return nil }
        return quantization.qparams[value]
    }

    func layout(_ value: Lowering.Value, _ format: onednn_format, _ element: onednn_element) throws -> Layout {
        try Layout(shapes[value].dimensions(batch: batch, withFrames: false), format, element)
    }

    /// A channels-last layout with frames as a dimension of their own.
    func framesLayout(_ value: Lowering.Value, _ element: onednn_element) throws -> Layout {
        try Layout(shapes[value].dimensions(batch: batch, withFrames: true), ONEDNN_CHANNELS_LAST, element)
    }

    /// The value as unquantised elements, in its current format.
    mutating func float(
        _ value: Lowering.Value, _ name: String, _ element: onednn_element? = nil
    ) throws -> Placed {
        let element = element ?? self.element
        let own = values[value]!
        return own.qparams == nil && own.layout.element == element ? own : try channelsLast(value, element, name)
    }

    /// The value in int8.
    mutating func whole(_ value: Lowering.Value, _ qparams: QuantizationParameters, _ name: String) throws -> Placed {
        try converted(value, to: layout(value, ONEDNN_CHANNELS_LAST, qparams.element), qparams, name)
    }

    /// The value in that layout and quantisation; a converted copy if it is stored differently.
    mutating func converted(
        _ value: Lowering.Value, to layout: Layout, _ qparams: QuantizationParameters?, _ name: String
    ) throws -> Placed {
        for placed in [values[value]!] + (copies[value] ?? [])
        where placed.layout == layout && placed.qparams == qparams { return placed }
        let buffer = newBuffer(layout.bytes)
        let (own, reorder) = (values[value]!, name + ".reorder")
        if let qparams, qparams.isShifted, try own.layout == self.layout(value, ONEDNN_CHANNELS_LAST, ONEDNN_F32) {
            touch(own.buffer)
            let kernel = CustomKernel.shift(reorder, count: layout.bytes, qparams)
            operations.append(Operation(kernel: kernel, sources: [own.buffer], destination: buffer))
        } else {
            try appendReorder(reorder, own, to: layout, qparams, buffer)
        }
        let copy = Placed(buffer: buffer, layout: layout, qparams: qparams)
        copies[value, default: []].append(copy)
        return copy
    }

    // MARK: - Buffers

    mutating func append(
        _ primitive: Primitive, _ source: Placed, second: Buffer? = nil, into existing: Buffer? = nil,
        layer: PackedWeights.Request? = nil, qparams: QuantizationParameters? = nil, output: Lowering.Value
    ) {
        append(
            primitive, source, second: second, into: existing, layout: primitive.destination, layer: layer,
            qparams: qparams, output: output)
    }

    mutating func append(
        _ kernel: any PlanKernel, _ source: Placed, second: Buffer? = nil, into existing: Buffer? = nil,
        layout: Layout, layer: PackedWeights.Request? = nil, table: PackedWeights.TableRequest? = nil,
        qparams: QuantizationParameters? = nil, output: Lowering.Value
    ) {
        touch(source.buffer)
        if let existing { touch(existing) }
        let destination = existing ?? newBuffer(layout.bytes)
        var operation = Operation(
            kernel: kernel, sources: [source.buffer], second: second, destination: destination, layer: layer,
            table: table)
        if layer != nil || table != nil { operation.observed = (layout, qparams, output) }
        operations.append(operation)
        values[output] = Placed(buffer: destination, layout: layout, qparams: qparams)
    }

    private mutating func appendReorder(
        _ name: String, _ source: Placed, to layout: Layout, _ qparams: QuantizationParameters?, _ destination: Buffer
    ) throws {
        touch(source.buffer)
        let factor = (source.qparams?.scale ?? 1) / (qparams?.scale ?? 1)
        let primitive = try Primitive(name) {
            onednn_requantization_create(
                context.handle, source.layout.handle, layout.handle, factor, source.qparams?.zeroPoint ?? 0,
                qparams?.zeroPoint ?? 0, $0)
        }
        operations.append(Operation(kernel: primitive, sources: [source.buffer], destination: destination))
    }

    mutating func append(part operation: Operation) {
        for buffer in operation.sources + [operation.destination] { touch(buffer) }
        operations.append(operation)
    }

    /// Appends a step that changes the last step's output in place; calibration then observes the changed value.
    mutating func appendInPlace(_ kernel: any PlanKernel, _ value: Lowering.Value) {
        let (buffer, observed) = (values[value]!.buffer, ignoreLast())
        append(part: Operation(kernel: kernel, sources: [buffer], destination: buffer))
        operations[operations.count - 1].observed = observed
    }

    /// Excludes the last step's output from calibration, and returns what would have been observed.
    @discardableResult
    mutating func ignoreLast() -> (layout: Layout, qparams: QuantizationParameters?, value: Lowering.Value)? {
        defer { operations[operations.count - 1].observed = nil }
        return operations[operations.count - 1].observed
    }

    /// Makes calibration observe the last step's output.
    mutating func observeLast(_ layout: Layout, _ value: Lowering.Value, qparams: QuantizationParameters? = nil) {
        operations[operations.count - 1].observed = (layout, qparams, value)
    }

    mutating func newBuffer(_ bytes: Int) -> Buffer {
        buffers.append(.init(bytes: bytes, lifetime: operations.count...operations.count))
        return .arena(buffers.count - 1)
    }

    /// Extends the buffer's lifetime to the operation about to be appended.
    private mutating func touch(_ buffer: Buffer) {
        guard case .arena(let index) = buffer else { return }
        buffers[index].lifetime = buffers[index].lifetime.lowerBound...operations.count
    }
}

import COneDNN

/// The memory format of every value and the kernel of every convolution that together take the least time,
/// the reorders between different formats included.
struct KernelChoice {
    /// By the value that a convolution makes.
    private(set) var kernels: [Lowering.Value: ConvolutionKernel] = [:]
    /// Of the values that poolings make, and then of what they read.
    private(set) var poolings: [Lowering.Value: MemoryFormat] = [:]

    /// Whether a kernel rounds otherwise than the direct sum.
    var usesWinograd: Bool { kernels.values.contains(where: \.isWinograd) }

    /// A step as the search sees it.
    private struct Node {
        let output: Lowering.Value
        /// Groups whose values it wants in its own format, and the seconds to bring them into it.
        let sources: [(group: Int, reorder: Double)]
        let destination: Int
        /// None for a pooling, which takes as long in any format, and for steps on rows.
        var kernels: [ConvolutionKernel]?
        /// Whether it knows channels last only.
        var isFixed = false

        func kernel(_ format: MemoryFormat) -> ConvolutionKernel? {
            kernels?.filter { $0.format == format }.min { $0.seconds < $1.seconds }
        }

        func seconds(_ format: (Int) -> MemoryFormat) -> Double {
            let own = format(destination)
            let reorders = sources.reduce(0) { $0 + (format($1.group) == own ? 0 : $1.reorder) }
            return kernels == nil ? reorders : (kernel(own)?.seconds ?? .infinity) + reorders
        }
    }

    /// - Throws: `ArithmeticError`.
    init(
        _ lowering: Lowering, batch: Int, element: onednn_element, allowsWinograd: Bool, tuning: KernelTuning,
        context: Context
    ) throws {
        var nodes = try tuning.withMeasured { measured in
            try Self.nodes(lowering, batch: batch, element: element, &measured, context)
        }
        for index in nodes.indices where !allowsWinograd {
            nodes[index].kernels = nodes[index].kernels?.filter { !$0.isWinograd }
        }
        let best = MemoryFormat.allCases.map { Self.improved(nodes, from: $0) }.min { $0.seconds < $1.seconds }
        for node in nodes {
            let format = best?.formats[node.destination] ?? .channelsLast
            if node.isFixed { continue }
            if node.kernels == nil {
                poolings[node.output] = format
            } else {
                kernels[node.output] = node.kernel(format)
            }
        }
    }

    private static func nodes(
        _ lowering: Lowering, batch: Int, element: onednn_element, _ measured: inout KernelTuning.Measured,
        _ context: Context
    ) throws -> [Node] {
        let groups = groups(lowering)
        func source(_ value: Lowering.Value) throws -> (group: Int, reorder: Double)? {
            // The network's input is always channels last, and its readers take it so.
            if value == lowering.input { return nil }
            let shape = lowering.shapes[value]
            let dimensions = [batch, shape.channels, shape.height, shape.width]
            let key = "\(element.name) \(dimensions)"
            let seconds = try measured.reorders[key] ?? reorderSeconds(dimensions, element, context)
            measured.reorders[key] = seconds
            return (groups.root(value), seconds)
        }
        return try lowering.steps.compactMap { step in
            switch step {
            case .convolution(let step):
                let sources = try ([step.input] + (step.accumulated.map { [$0] } ?? [])).compactMap(source)
                return Node(
                    output: step.output, sources: sources, destination: groups.root(step.output),
                    kernels: kernels(step, lowering, batch: batch, element: element, &measured, context))
            case .pooling(_, _, let input, let output):
                let shape = lowering.shapes[output]
                if shape.height * shape.width == 1 { return nil }
                return Node(
                    output: output, sources: try [source(input)].compactMap { $0 }, destination: groups.root(output))
            case .normalization(_, _, _, let input, let output), .rows(_, _, _, let input, let output):
                return Node(
                    output: output, sources: try [source(input)].compactMap { $0 }, destination: groups.root(output),
                    isFixed: true)
            default: return nil
            }
        }
    }

    /// Values that lie in one format because a step joins them.
    private static func groups(_ lowering: Lowering) -> ValueGroups {
        var groups = ValueGroups(count: lowering.shapes.count)
        for step in lowering.steps {
            switch step {
            case .convolution, .pooling, .normalization, .rows: break
            default: for input in step.inputs { groups.join(input, step.output) }
            }
        }
        return groups
    }

    private static func kernels(
        _ step: ConvolutionStep, _ lowering: Lowering, batch: Int, element: onednn_element,
        _ measured: inout KernelTuning.Measured, _ context: Context
    ) -> [ConvolutionKernel] {
        var request = step.request(batch: batch, from: lowering.shapes[step.input], to: lowering.shapes[step.output])
        request.weights_element = element
        let readsInput = step.input == lowering.input
        let signature = request.signature + (readsInput ? "input" : "")
        let kernels =
            measured.kernels[signature]
            ?? ConvolutionKernel.measured(request, readsInput: readsInput, context: context)
        measured.kernels[signature] = kernels
        return kernels
    }

    private static func reorderSeconds(
        _ dimensions: [Int], _ element: onednn_element, _ context: Context
    ) throws -> Double {
        let layouts = try MemoryFormat.allCases.map { try Layout(dimensions, $0.code, element) }
        let primitive = try Primitive("reorder") {
            onednn_reorder_create(context.handle, layouts[0].handle, layouts[1].handle, 1, $0)
        }
        let buffers = layouts.map { AlignedBuffer(filled: $0.bytes) }
        let scratchpad = AlignedBuffer(bytes: primitive.scratchpadBytes)
        try primitive.bind(
            source: buffers[0].pointer, destination: buffers[1].pointer, scratchpad: scratchpad.pointer)
        return withExtendedLifetime((buffers, scratchpad)) {
            Stopwatch.shortest { try primitive.execute(in: context) }
        }
    }

    /// Changes one group's format at a time for as long as that helps.
    private static func improved(
        _ nodes: [Node], from start: MemoryFormat
    ) -> (formats: [Int: MemoryFormat], seconds: Double) {
        let groups = Set(nodes.map(\.destination) + nodes.flatMap { $0.sources.map(\.group) }).sorted()
        let fixed = Set(nodes.filter(\.isFixed).map(\.destination))
        var formats = Dictionary(
            uniqueKeysWithValues: groups.map { ($0, fixed.contains($0) ? MemoryFormat.channelsLast : start) })
        func seconds(_ group: Int, _ format: MemoryFormat) -> Double {
            nodes.filter { $0.destination == group || $0.sources.contains { $0.group == group } }
                .reduce(0) { $0 + $1.seconds { $0 == group ? format : formats[$0] ?? start } }
        }
        var isImproving = true
        while isImproving {
            isImproving = false
            for group in groups where !fixed.contains(group) {
                let now = formats[group] ?? start
                let other: MemoryFormat = now == .blocked ? .channelsLast : .blocked
                if seconds(group, other) < seconds(group, now) {
                    formats[group] = other
                    isImproving = true
                }
            }
        }
        return (formats, nodes.reduce(0) { $0 + $1.seconds { formats[$0] ?? start } })
    }
}

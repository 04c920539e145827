import COneDNN

/// The memory format of every value and the kernel of every convolution that together take the least time,
/// the reorders between different formats included.
struct KernelChoice {
    /// By the value that a convolution makes.
    private(set) var kernels: [Lowering.Value: ConvolutionKernel] = [:]

    /// Whether a kernel rounds otherwise than the direct sum.
    var usesWinograd: Bool { kernels.values.contains(where: \.isWinograd) }

    /// A convolution as the search sees it.
    private struct Node {
        let output: Lowering.Value
        /// The group it reads; nil for the network's input, whose format is fixed.
        let source: Int?
        let destination: Int
        let kernels: [ConvolutionKernel]
        /// Seconds to bring the source into the other format.
        let reorder: Double

        func kernel(_ format: MemoryFormat) -> ConvolutionKernel? {
            kernels.filter { $0.format == format }.min { $0.seconds < $1.seconds }
        }

        func seconds(_ format: (Int) -> MemoryFormat) -> Double {
            let own = format(destination)
            let reorder = source.map { format($0) == own ? 0 : self.reorder } ?? 0
            return (kernel(own)?.seconds ?? .infinity) + reorder
        }
    }

    /// - Throws: `ArithmeticError`.
    init(
        _ lowering: Lowering, batch: Int, element: onednn_element, allowsWinograd: Bool, tuning: KernelTuning,
        context: Context
    ) throws {
        let groups = Self.groups(lowering)
        let nodes = try tuning.withMeasured { measured in
            try lowering.steps.compactMap { step -> Node? in
                guard case .convolution(let step) = step else { return nil }
                return try Self.node(
                    step, lowering, batch: batch, element: element, groups: groups, &measured, context)
            }
        }
        .map { node in
            Node(
                output: node.output, source: node.source, destination: node.destination,
                kernels: node.kernels.filter { allowsWinograd || !$0.isWinograd }, reorder: node.reorder)
        }
        let best = MemoryFormat.allCases.map { Self.improved(nodes, from: $0) }.min { $0.seconds < $1.seconds }
        for node in nodes {
            kernels[node.output] = node.kernel(best?.formats[node.destination] ?? .channelsLast)
        }
    }

    /// Values that lie in one format because a step other than a convolution joins them, or because one is added
    /// into the other's memory.
    private static func groups(_ lowering: Lowering) -> ValueGroups {
        var groups = ValueGroups(count: lowering.shapes.count)
        for step in lowering.steps {
            if case .convolution(let convolution) = step {
                if let accumulated = convolution.accumulated { groups.join(accumulated, convolution.output) }
            } else {
                for input in step.inputs { groups.join(input, step.output) }
            }
        }
        return groups
    }

    private static func node(
        _ step: ConvolutionStep, _ lowering: Lowering, batch: Int, element: onednn_element, groups: ValueGroups,
        _ measured: inout KernelTuning.Measured, _ context: Context
    ) throws -> Node {
        var request = step.request(batch: batch, from: lowering.shapes[step.input], to: lowering.shapes[step.output])
        request.weights_element = element
        let readsInput = step.input == lowering.input
        let signature = request.signature + (readsInput ? "input" : "")
        let kernels =
            measured.kernels[signature]
            ?? ConvolutionKernel.measured(request, readsInput: readsInput, context: context)
        measured.kernels[signature] = kernels
        var reorder = 0.0
        if !readsInput {
            let shape = lowering.shapes[step.input]
            let dimensions = [batch, shape.channels, shape.height, shape.width]
            let key = "\(element.name) \(dimensions)"
            reorder = try measured.reorders[key] ?? reorderSeconds(dimensions, element, context)
            measured.reorders[key] = reorder
        }
        return Node(
            output: step.output, source: readsInput ? nil : groups.root(step.input),
            destination: groups.root(step.output), kernels: kernels, reorder: reorder)
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
        let groups = Set(nodes.map(\.destination) + nodes.compactMap(\.source)).sorted()
        var formats = Dictionary(uniqueKeysWithValues: groups.map { ($0, start) })
        func seconds(_ group: Int, _ format: MemoryFormat) -> Double {
            nodes.filter { $0.destination == group || $0.source == group }
                .reduce(0) { $0 + $1.seconds { $0 == group ? format : formats[$0] ?? start } }
        }
        var isImproving = true
        while isImproving {
            isImproving = false
            for group in groups {
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

import COneDNN
import NeuralNetwork

/// The memory format of every value and the kernel of every convolution that together take the least time, reorders
/// between formats included.
struct KernelChoice: Sendable {
    /// By the output value of the convolution.
    private(set) var kernels: [Lowering.Value: ConvolutionKernel] = [:]
    /// Formats of the poolings' output values, and of their inputs.
    private(set) var poolings: [Lowering.Value: MemoryFormat] = [:]
    /// Estimated seconds of a run, without the steps that do not depend on the choice.
    private(set) var seconds = 0.0

    /// Number of Winograd convolutions, which round differently from direct ones.
    var winogradCount: Int { kernels.values.count(where: \.isWinograd) }

    /// The same formats with direct convolution only.
    var direct: KernelChoice {
        var choice = self
        choice.kernels = kernels.mapValues {
            $0.isWinograd ? ConvolutionKernel(format: $0.format, isWinograd: false, seconds: $0.seconds) : $0
        }
        return choice
    }

    /// - `times`: measured or estimated times of the lowering's convolutions.
    init(_ lowering: Lowering, _ times: KernelTimes, allowsWinograd: Bool) {
        var nodes = Self.nodes(lowering, times)
        for index in nodes.indices where !allowsWinograd {
            nodes[index].kernels = nodes[index].kernels?.filter { !$0.isWinograd }
        }
        let best = MemoryFormat.allCases.map { Self.improved(nodes, from: $0) }.min { $0.seconds < $1.seconds }
        seconds = best?.seconds ?? 0
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

    /// A step in the search.
    private struct Node {
        let output: Lowering.Value
        /// Groups of values that it reads in its own format, with the seconds to reorder them.
        let sources: [(group: Int, reorder: Double)]
        let destination: Int
        /// Nil for poolings, which take equally long in any format, and for row operations.
        var kernels: [ConvolutionKernel]?
        /// Whether it supports only channels last.
        var isFixed = false

        func kernel(_ format: MemoryFormat) -> ConvolutionKernel? {
            kernels?.filter { $0.format == format }.min { $0.seconds < $1.seconds }
        }

        func seconds(_ format: (Int) -> MemoryFormat) -> Double {
            let own = format(destination)
            let reorders = sources.reduce(0) { $0 + (format($1.group) == own ? 0 : $1.reorder) }
            // Without a usable kernel, oneDNN's choice is assumed to take equally long in any format.
            guard let kernels, !kernels.isEmpty else { return reorders }
            return (kernel(own)?.seconds ?? .infinity) + reorders
        }
    }

    private static func nodes(_ lowering: Lowering, _ times: KernelTimes) -> [Node] {
        let groups = groups(lowering)
        return lowering.steps.compactMap { step in
            guard let isFixed = lowering.isFixed(step) else { return nil }
            let sources = lowering.read(step).map { value in
                (groups.root(value), times.reorders[value] ?? 0)
            }
            return Node(
                output: step.output, sources: sources, destination: groups.root(step.output),
                kernels: times.kernels[step.output], isFixed: isFixed)
        }
    }

    /// Values that must have the same format because a step combines them.
    private static func groups(_ lowering: Lowering) -> ValueGroups {
        var groups = ValueGroups(count: lowering.shapes.count)
        for step in lowering.steps {
            switch step.operation {
            case .convolution, .pooling, .normalization, .rows: break
            default: for input in step.inputs { groups.join(input, step.output) }
            }
        }
        return groups
    }

    /// Coordinate descent: changes one group's format at a time while that reduces the time.
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

import NeuralNetwork

/// A graph lowered to the steps that the CPU executes, with operations fused: batch normalisation into the preceding
/// convolution, then residual sum and activation into that convolution's epilogue.
struct Lowering {
    /// A step's output: an index into `shapes`.
    typealias Value = Int

    struct Step {
        let name: String
        let operation: StepOperation
        let inputs: [Value]
        let output: Value
    }

    private(set) var steps: [Step] = []
    private(set) var shapes: [ImageShape] = []
    let input: Value
    private(set) var output: Value = 0

    private let graph: Graph
    private var value: [Graph.NodeID: Value] = [:]
    private var consumers: [Graph.NodeID: [Int]] = [:]
    /// Nodes of which only the first token is read.
    private let firstTokenOnly: Set<Graph.NodeID>
    private var firstTokens: [Graph.NodeID: Value] = [:]

    /// - Throws: `PlanError` for a graph that only `TrainingPlan` can execute.
    init(_ graph: Graph, output: Graph.NodeID) throws {
        self.graph = graph
        let needed = graph.ancestry(of: output)
        firstTokenOnly = graph.readForFirstToken(needed, output: output)
        guard let first = needed.first, graph[first].operation == .input, graph[first].shape.isImage else {
            throw PlanError.unsupported(node: graph[needed[0]].name)
        }
        input = 0
        shapes = [ImageShape(graph[first].shape)]
        value[first] = 0
        for id in needed { for input in graph[id].inputs { consumers[input, default: []].append(id.index) } }
        for id in needed.dropFirst() { value[id] = try lower(id) }
        self.output = value[output]!
    }

    private mutating func lower(_ id: Graph.NodeID) throws -> Value {
        let node = graph[id]
        let input = node.inputs[0]
        switch node.operation {
        case .convolution(let options):
            return appendConvolution(id, node, options, input: value[input]!)
        case .linear:
            // A linear layer after flattening would need permuted weights; no supported network has one.
            if graph[input].operation == .flatten { throw PlanError.unsupported(node: node.name) }
            let whole = Convolution(
                outChannels: node.shape.rowSize, window: Window(kernel: Extent(1)), hasBias: node.parameters.count > 1)
            return appendConvolution(id, node, whole, input: rows(input, for: id))
        case .batchNormalization(let epsilon, let hasScale):
            guard var step = fusible(input), step.isBare else {
                return appendNormalization(id, node, epsilon, hasScale, input: rows(input, for: id))
            }
            step.normalization = (node.parameters, epsilon, hasScale)
            return replace(step)
        case .channelScale:
            guard var step = fusible(input), step.activation == nil, step.accumulated == nil,
                step.factor == nil
            else { throw PlanError.unsupported(node: node.name) }
            step.factor = node.parameters[0]
            return replace(step)
        case .activation(let activation):
            if var step = fusible(input), step.activation == nil {
                step.activation = activation
                return replace(step)
            }
            return append(shape(of: id), node.name, .activation(activation), [rows(input, for: id)])
        case .add:
            return lowerAdd(id, node)
        case .scaleChannels:
            return append(node.shape, node.name, .binary(.multiply), [value[input]!, value[node.inputs[1]]!])
        case .multiply:
            let factors = [rows(input, for: id), rows(node.inputs[1], for: id)]
            return append(shape(of: id), node.name, .binary(.multiply), factors)
        case .concatenation:
            return append(node.shape, node.name, .concatenation, node.inputs.map { value[$0]! })
        case .maxPooling, .averagePooling, .globalAveragePooling:
            return append(node.shape, node.name, .pooling(pooling(node)), [value[input]!])
        case .dropout, .flatten:
            return value[input]!
        case .layerNormalization(let epsilon):
            let operation = StepOperation.normalization(epsilon: epsilon, parameters: node.parameters)
            return append(shape(of: id), node.name, operation, [rows(input, for: id)])
        case .classToken: return firstToken(of: input)
        default:
            guard let operation = rowOperation(node) else { throw PlanError.unsupported(node: node.name) }
            return append(
                shape(of: id), node.name, .rows(operation, parameters: node.parameters),
                [operation.isRowWise ? rows(input, for: id) : value[input]!])
        }
    }

    /// The row operation of a node; nil for sequence operations, which inference plans do not support.
    private func rowOperation(_ node: Graph.Node) -> RowOperation? {
        switch node.operation {
        case .function(let function): .function(function)
        case .gatherChannels(let places): .gather(places)
        case .groupNormalization(let groups, let epsilon): .groupNormalization(groups: groups, epsilon: epsilon)
        case .responseNormalization(let epsilon): .responseNormalization(epsilon: epsilon)
        case .tokens(let embedding): .tokens(TokenTable(embedding, graph[node.inputs[0]].shape))
        case .selfAttention(let heads): if case .tokens = node.shape { .attention(heads: heads) } else { nil }
        case .latentAttention(let heads): .latentAttention(heads: heads)
        case .tokenMean(let first): .mean(first: first)
        case .tokenMap(let first): .slice(first: first)
        default: nil
        }
    }

    private func pooling(_ node: Graph.Node) -> PoolingStep {
        switch node.operation {
        case .maxPooling(let window): return PoolingStep(kind: .max, window: window)
        case .averagePooling(let window, let countsPadding):
            return PoolingStep(kind: .average(countsPadding: countsPadding), window: window)
        default:
            let shape = shapes[value[node.inputs[0]]!]
            let time = TimeWindow(kernel: shape.frames, stride: shape.frames)
            let window = Window(kernel: Extent(shape.height, shape.width), time: time)
            return PoolingStep(kind: .average(countsPadding: false), window: window)
        }
    }

    /// A residual sum accumulates into the other branch's memory if that may be overwritten: no step reads it after the
    /// convolution that ends the later branch.
    private mutating func lowerAdd(_ id: Graph.NodeID, _ node: Graph.Node) -> Value {
        let branches = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
            .sorted { value[$0.0]! > value[$1.0]! }
        for (ending, other) in branches {
            guard var step = fusible(ending), step.activation == nil, step.accumulated == nil,
                firstTokenOnly.contains(id) == firstTokenOnly.contains(other),
                firstTokenOnly.contains(id) == firstTokenOnly.contains(ending),
                value[other]! < step.output, value[other]! != self.input,
                consumers[other]!.allSatisfy({ $0 <= id.index }),
                !steps.contains(where: { $0.output > step.output && $0.inputs.contains(value[other]!) }),
                step.input != value[other]!
            else { continue }
            step.accumulated = value[other]!
            return replace(step)
        }
        let summands = [rows(node.inputs[0], for: id), rows(node.inputs[1], for: id)]
        return append(shape(of: id), node.name, .binary(.add), summands)
    }

    // MARK: - Tokens

    /// The part of a node's shape that is read.
    private func shape(of id: Graph.NodeID) -> Graph.Shape {
        if firstTokenOnly.contains(id), case .tokens(_, let size) = graph[id].shape {
            return .tokens(count: 1, size: size)
        }
        return graph[id].shape
    }

    /// The value that `reader` reads of a node: all rows, or only the first token.
    private mutating func rows(_ id: Graph.NodeID, for reader: Graph.NodeID) -> Value {
        firstTokenOnly.contains(reader) ? firstToken(of: id) : value[id]!
    }

    private mutating func firstToken(of id: Graph.NodeID) -> Value {
        if firstTokenOnly.contains(id) { return value[id]! }
        if let known = firstTokens[id] { return known }
        let shape = Graph.Shape.tokens(count: 1, size: graph[id].shape.rowSize)
        let token = append(
            shape, graph[id].name + ".first", .rows(.slice(first: 0), parameters: []), [value[id]!])
        firstTokens[id] = token
        return token
    }

    /// The convolution that computed `node`'s value, if the node has only one reader.
    private func fusible(_ node: Graph.NodeID) -> ConvolutionStep? {
        guard consumers[node]!.count == 1, let step = steps.first(where: { $0.output == value[node]! }),
            case .convolution(let convolution) = step.operation
        else { return nil }
        return convolution
    }

    private mutating func appendConvolution(
        _ id: Graph.NodeID, _ node: Graph.Node, _ options: Convolution, input: Value
    ) -> Value {
        append(
            shape(of: id),
            Step(
                ConvolutionStep(
                    name: node.name, options: options, parameters: node.parameters, input: input, output: shapes.count))
        )
    }

    /// A normalisation without a preceding convolution is folded into a depthwise convolution with weights of 1.
    private mutating func appendNormalization(
        _ id: Graph.NodeID, _ node: Graph.Node, _ epsilon: Float, _ hasScale: Bool, input: Value
    ) -> Value {
        let channels = node.shape.rowSize
        let ones = Convolution(outChannels: channels, window: Window(kernel: Extent(1)), groups: channels)
        var step = ConvolutionStep(name: node.name, options: ones, parameters: [], input: input, output: shapes.count)
        step.normalization = (node.parameters, epsilon, hasScale)
        return append(shape(of: id), Step(step))
    }

    private mutating func append(
        _ shape: Graph.Shape, _ name: String, _ operation: StepOperation, _ inputs: [Value]
    ) -> Value {
        append(shape, Step(name: name, operation: operation, inputs: inputs, output: shapes.count))
    }

    private mutating func append(_ shape: Graph.Shape, _ step: Step) -> Value {
        steps.append(step)
        shapes.append(ImageShape(shape))
        return step.output
    }

    private mutating func replace(_ step: ConvolutionStep) -> Value {
        let index = steps.firstIndex { $0.output == step.output }!
        steps[index] = Step(step)
        return step.output
    }
}

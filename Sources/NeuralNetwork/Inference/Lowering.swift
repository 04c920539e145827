import Foundation

/// A graph turned into the few steps that the CPU executes, with everything fused that can be:
/// batch normalisation into the convolution before it, then residual sum and activation into the same
/// convolution's epilogue.
struct Lowering {
    /// A value some step makes: an index into `shapes`.
    typealias Value = Int

    enum Step {
        case convolution(ConvolutionStep)
        case pooling(name: String, PoolingStep, input: Value, output: Value)
        case activation(name: String, Activation, input: Value, output: Value)
        case binary(name: String, BinaryOperation, first: Value, second: Value, output: Value)
        case concatenation(name: String, inputs: [Value], output: Value)
    }

    private(set) var steps: [Step] = []
    private(set) var shapes: [ImageShape] = []
    let input: Value
    private(set) var output: Value = 0

    private let graph: Graph
    private var value: [Graph.NodeID: Value] = [:]
    private var consumers: [Graph.NodeID: [Int]] = [:]

    /// - Throws: `PlanError` for a graph that only `TrainingPlan` can execute.
    init(_ graph: Graph, output: Graph.NodeID) throws {
        self.graph = graph
        let needed = graph.ancestry(of: output)
        guard let first = needed.first, graph[first].operation == .input, case .image = graph[first].shape else {
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
            return appendConvolution(node, options, input: value[input]!)
        case .linear:
            // A linear layer over a flattened image would need its weights permuted; nobody asks for one yet.
            if graph[input].operation == .flatten { throw PlanError.unsupported(node: node.name) }
            let whole = Convolution(
                outChannels: node.shape.size, window: Window(kernel: Extent(1)), hasBias: true)
            return appendConvolution(node, whole, input: value[input]!)
        case .batchNormalization(let epsilon, let hasScale):
            guard case .convolution(var step)? = fusible(input), step.isBare else {
                throw PlanError.unsupported(node: node.name)
            }
            step.normalization = (node.parameters, epsilon, hasScale)
            return replace(step)
        case .activation(let activation):
            if case .convolution(var step)? = fusible(input), step.activation == nil {
                step.activation = activation
                return replace(step)
            }
            let source = value[input]!
            return append(node.shape) { .activation(name: node.name, activation, input: source, output: $0) }
        case .add:
            return lowerAdd(id, node)
        case .scaleChannels:
            let (first, second) = (value[input]!, value[node.inputs[1]]!)
            return append(node.shape) {
                .binary(name: node.name, .multiply, first: first, second: second, output: $0)
            }
        case .concatenation:
            let inputs = node.inputs.map { value[$0]! }
            return append(node.shape) { .concatenation(name: node.name, inputs: inputs, output: $0) }
        case .maxPooling(let window):
            return appendPooling(node, PoolingStep(kind: .max, window: window))
        case .averagePooling(let window, let countsPadding):
            return appendPooling(node, PoolingStep(kind: .average(countsPadding: countsPadding), window: window))
        case .globalAveragePooling:
            let shape = shapes[value[input]!]
            let window = Window(kernel: Extent(shape.height, shape.width))
            return appendPooling(node, PoolingStep(kind: .average(countsPadding: false), window: window))
        case .dropout, .flatten:
            return value[input]!
        case .input, .sequenceMean, .sequenceMax, .recurrent, .finalState, .attentionPooling, .positions,
            .selfAttention,
            .layerNormalization, .convolutionalRecurrent, .spatialMean:
            throw PlanError.unsupported(node: node.name)
        }
    }

    /// A residual sum becomes "accumulate into the other branch's memory" where that memory is free to
    /// be overwritten: nobody reads it after the convolution that ends the later branch.
    private mutating func lowerAdd(_ id: Graph.NodeID, _ node: Graph.Node) -> Value {
        let branches = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
            .sorted { value[$0.0]! > value[$1.0]! }
        for (ending, other) in branches {
            guard case .convolution(var step)? = fusible(ending), step.activation == nil, step.accumulated == nil,
                value[other]! < step.output, value[other]! != self.input,
                consumers[other]!.allSatisfy({ $0 <= id.index }),
                !steps.contains(where: { $0.output > step.output && $0.inputs.contains(value[other]!) }),
                !step.reads(value[other]!)
            else { continue }
            step.accumulated = value[other]!
            return replace(step)
        }
        let (first, second) = (value[node.inputs[0]]!, value[node.inputs[1]]!)
        return append(node.shape) { .binary(name: node.name, .add, first: first, second: second, output: $0) }
    }

    /// The step that made `node`'s value, where `node` has one reader only.
    private func fusible(_ node: Graph.NodeID) -> Step? {
        guard consumers[node]!.count == 1 else { return nil }
        return steps.first { $0.output == value[node]! }
    }

    private mutating func appendConvolution(_ node: Graph.Node, _ options: Convolution, input: Value) -> Value {
        append(node.shape) {
            .convolution(
                ConvolutionStep(
                    name: node.name, options: options, parameters: node.parameters, input: input, output: $0))
        }
    }

    private mutating func appendPooling(_ node: Graph.Node, _ step: PoolingStep) -> Value {
        let input = value[node.inputs[0]]!
        return append(node.shape) { .pooling(name: node.name, step, input: input, output: $0) }
    }

    private mutating func append(_ shape: Graph.Shape, _ make: (Value) -> Step) -> Value {
        steps.append(make(shapes.count))
        shapes.append(ImageShape(shape))
        return shapes.count - 1
    }

    private mutating func replace(_ step: ConvolutionStep) -> Value {
        let index = steps.firstIndex { $0.output == step.output }!
        steps[index] = .convolution(step)
        return step.output
    }
}

extension Lowering.Step {
    var output: Lowering.Value {
        switch self {
        case .convolution(let step): step.output
        case .pooling(_, _, _, let output), .activation(_, _, _, let output), .binary(_, _, _, _, let output),
            .concatenation(_, _, let output):
            output
        }
    }

    var inputs: [Lowering.Value] {
        switch self {
        case .convolution(let step): [step.input] + (step.accumulated.map { [$0] } ?? [])
        case .pooling(_, _, let input, _), .activation(_, _, let input, _): [input]
        case .binary(_, _, let first, let second, _): [first, second]
        case .concatenation(_, let inputs, _): inputs
        }
    }
}

/// A convolution with what was fused into it.
struct ConvolutionStep {
    let name: String
    let options: Convolution
    /// Weight, then bias where there is one: indices into `Graph.parameters`.
    let parameters: [Int]
    let input: Lowering.Value
    let output: Lowering.Value
    var normalization: (parameters: [Int], epsilon: Float, hasScale: Bool)?
    /// The value it is added to, in place.
    var accumulated: Lowering.Value?
    var activation: Activation?

    init(name: String, options: Convolution, parameters: [Int], input: Int, output: Int) {
        self.name = name
        self.options = options
        self.parameters = parameters
        self.input = input
        self.output = output
    }

    /// Nothing fused yet.
    var isBare: Bool { normalization == nil && accumulated == nil && activation == nil }

    func reads(_ value: Lowering.Value) -> Bool { input == value }

    /// oneDNN's dimensions for weights of the published shape.
    func weightDimensions(_ shape: [Int]) -> [Int] {
        let kernel = shape.count == 2 ? [1, 1] : Array(shape[2...])
        if options.groups == 1 { return [shape[0], shape[1]] + kernel }
        return [options.groups, shape[0] / options.groups, shape[1]] + kernel
    }
}

enum BinaryOperation {
    case add, multiply
}

struct PoolingStep {
    enum Kind {
        case max
        case average(countsPadding: Bool)
    }
    let kind: Kind
    let window: Window
}

/// Channels and size of a value; vectors are images of one pixel.
struct ImageShape {
    let channels: Int
    let height: Int
    let width: Int

    init(_ shape: Graph.Shape) {
        switch shape {
        case .image(let channels, let height, let width):
            (self.channels, self.height, self.width) = (channels, height, width)
        case .vector(let size), .sequence(let size):
            (channels, height, width) = (size, 1, 1)
        }
    }
}

/// Why a graph cannot be planned.
public enum PlanError: LocalizedError, Equatable {
    case unsupported(node: String)
    case unknownOutput(String, available: [String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unsupported(let node):
            "The node \(node) cannot run in an inference plan; heads run in a training plan."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", "))."
        }
    }
}

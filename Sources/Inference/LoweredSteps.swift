import NeuralNetwork

/// What a step computes.
enum StepOperation {
    case convolution(ConvolutionStep)
    case pooling(PoolingStep)
    case activation(Activation)
    case binary(BinaryOperation)
    case concatenation
    /// Layer normalisation over the channels of each pixel: weight and bias, indices into `Graph.parameters`.
    case normalization(epsilon: Float, parameters: [Int])
    case rows(RowOperation, parameters: [Int])
}

extension Lowering.Step {
    init(_ step: ConvolutionStep) {
        self.init(
            name: step.name, operation: .convolution(step),
            inputs: [step.input] + (step.accumulated.map { [$0] } ?? []),
            output: step.output)
    }
}

/// A convolution with the operations fused into it.
struct ConvolutionStep {
    let name: String
    let options: Convolution
    /// Indices of weight and optional bias in `Graph.parameters`. Empty for a depthwise convolution with constant
    /// weights of 1.
    let parameters: [Int]
    let input: Lowering.Value
    let output: Lowering.Value
    var normalization: (parameters: [Int], epsilon: Float, hasScale: Bool)?
    /// Index of a learned per-channel factor in `Graph.parameters`.
    var factor: Int?
    /// The value to which the output is added, in place.
    var accumulated: Lowering.Value?
    var activation: Activation?

    var isBare: Bool { normalization == nil && factor == nil && accumulated == nil && activation == nil }

    /// oneDNN's weight dimensions for weights of the published shape.
    func weightDimensions(_ shape: [Int]) -> [Int] {
        var kernel = shape.count == 2 ? [1, 1] : Array(shape[2...])
        if kernel.count == 3, !options.window.reachesOverFrames { kernel.removeFirst() }
        if options.groups == 1 { return [shape[0], shape[1]] + kernel }
        return [options.groups, shape[0] / options.groups, shape[1]] + kernel
    }
}

extension Window {
    /// Whether the window spans several frames.
    package var reachesOverFrames: Bool { time != .frame }
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

/// Operations without a oneDNN primitive, computed in `f32` on rows of channels.
enum RowOperation {
    /// Prepends tokens and adds position embeddings.
    case tokens(TokenTable)
    /// Query, key and value concatenated; as many queries as the output has rows.
    case attention(heads: Int)
    /// Key and value concatenated, and one learned query.
    case latentAttention(heads: Int)
    /// Mean over the rows from `first`.
    case mean(first: Int)
    /// The output's number of rows, from `first`.
    case slice(first: Int)
    case function(NumberFunction)
    /// Selects these elements of each row.
    case gather([Int])
    case responseNormalization(epsilon: Float)
    case groupNormalization(groups: Int, epsilon: Float)

    /// Whether each row of the result depends on one row of the input only.
    var isRowWise: Bool {
        switch self {
        case .gather, .function: true
        default: false
        }
    }
}

import NeuralNetwork

extension Lowering.Step {
    var output: Lowering.Value {
        switch self {
        case .convolution(let step): step.output
        case .pooling(_, _, _, let output), .activation(_, _, _, let output), .binary(_, _, _, _, let output),
            .concatenation(_, _, let output), .normalization(_, _, _, _, let output), .rows(_, _, _, _, let output):
            output
        }
    }

    var inputs: [Lowering.Value] {
        switch self {
        case .convolution(let step): [step.input] + (step.accumulated.map { [$0] } ?? [])
        case .pooling(_, _, let input, _), .activation(_, _, let input, _), .normalization(_, _, _, let input, _),
            .rows(_, _, _, let input, _):
            [input]
        case .binary(_, _, let first, let second, _): [first, second]
        case .concatenation(_, let inputs, _): inputs
        }
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
}

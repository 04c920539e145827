/// Parameters to train a network from scratch with: normalisations leave their input as it is, everything else is drawn as
/// its initialiser says, as PyTorch's layers begin.
public struct FreshParameters: ParameterSource {
    private let random: RandomParameters
    private let constants: [String: Float]

    /// - `seed`: another one gives other weights.
    public init(_ graph: Graph, seed: Int) {
        random = RandomParameters(seed: UInt64(bitPattern: Int64(seed)))
        var constants: [String: Float] = [:]
        for node in graph.nodes {
            let values: [Float]
            switch node.operation {
            // Scale, shift, mean, variance.
            case .batchNormalization(_, let hasScale): values = hasScale ? [1, 0, 0, 1] : [0, 0, 1]
            case .layerNormalization: values = [1, 0]
            case .responseNormalization: values = [0, 0]
            // As ConvNeXt and DINOv2 begin: each block adds next to nothing.
            case .channelScale: values = [1e-5]
            default: continue
            }
            for (parameter, value) in zip(node.parameters, values) {
                constants[graph.parameters[parameter].name] = value
            }
        }
        self.constants = constants
    }

    /// The values of one parameter.
    public func tensor(for parameter: Graph.Parameter) -> Tensor {
        constants[parameter.name].map { Tensor(shape: parameter.shape, repeating: $0) } ?? random.tensor(for: parameter)
    }
}

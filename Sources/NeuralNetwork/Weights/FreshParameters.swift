/// Parameters to train a network from scratch with: normalisations leave their input as it is, everything else is drawn as
/// its initialiser says, as PyTorch's layers begin.
public struct FreshParameters: ParameterSource {
    private let random: RandomParameters
    private let constants: [String: Float]

    /// - Parameter seed: another one gives other weights.
    public init(_ graph: Graph, seed: Int) {
        random = RandomParameters(seed: UInt64(bitPattern: Int64(seed)))
        var constants: [String: Float] = [:]
        for node in graph.nodes {
            guard case .batchNormalization(_, let hasScale) = node.operation else { continue }
            // Scale, shift, mean, variance.
            let values: [Float] = hasScale ? [1, 0, 0, 1] : [0, 0, 1]
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

/// Initial parameters for training from scratch. Normalisations start as the identity; other parameters are drawn from
/// their initialisers, which match PyTorch's defaults.
package struct FreshParameters: ParameterSource {
    private let random: RandomParameters
    private let constants: [String: Float]

    package init(_ graph: Graph, seed: Int) {
        random = RandomParameters(seed: UInt64(bitPattern: Int64(seed)))
        var constants: [String: Float] = [:]
        for node in graph.nodes {
            let values: [Float]
            switch node.operation {
            // Scale, shift, mean, variance.
            case .batchNormalization(_, let hasScale): values = hasScale ? [1, 0, 0, 1] : [0, 0, 1]
            case .layerNormalization: values = [1, 0]
            case .responseNormalization: values = [0, 0]
            // The initial value of ConvNeXt and DINOv2, with which each block adds next to nothing.
            case .channelScale: values = [1e-5]
            default: continue
            }
            for (parameter, value) in zip(node.parameters, values) {
                constants[graph.parameters[parameter].name] = value
            }
        }
        self.constants = constants
    }

    package func tensor(for parameter: Graph.Parameter) -> Tensor {
        constants[parameter.name].map { Tensor(shape: parameter.shape, repeating: $0) } ?? random.tensor(for: parameter)
    }
}

import CElementwise

/// The counter-based generator of `weights: random` and the parity tests. Value i depends only on the parameter's name,
/// the seed and i, so parameters can be generated in any order: the state goes through SplitMix64's finaliser (Steele
/// et al. 2014), and its top 24 bits give an exact `Float` in [0, 1).
package struct RandomParameters: Sendable {
    package let seed: UInt64

    package init(seed: UInt64 = 0) { self.seed = seed }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Returns `count` values in [0, 1).
    package func uniform(_ name: String, count: Int) -> [Float] {
        let key = Self.hash(name) ^ ((seed &+ 1) &* Self.increment)
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            elementwise_uniform(key, count, buffer.baseAddress)
            initialized = count
        }
    }

    package func tensor(for parameter: Graph.Parameter) -> Tensor {
        let centre = parameter.initializer.centre
        let spread = parameter.initializer.spread
        var values = uniform(parameter.name, count: parameter.count)
        values.withUnsafeMutableBufferPointer { elementwise_spread($0.count, centre, spread, $0.baseAddress) }
        return Tensor(shape: parameter.shape, values: values)
    }

    /// 64-bit FNV-1a of the UTF-8 bytes.
    static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

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

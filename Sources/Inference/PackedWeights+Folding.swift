import CElementwise
import NeuralNetwork

/// A layer's weights before they are packed for the kernels.
extension PackedWeights {
    /// Weights and bias with the following batch normalisation folded in: γ·(W·x + b − μ)/√(σ² + ε) + β.
    func folded(_ step: ConvolutionStep, in graph: Graph) throws -> (Tensor, [Float]) {
        func tensor(_ index: Int) throws -> Tensor { try source.tensor(for: graph.parameters[index]) }
        let ones = Tensor(shape: [step.options.outChannels, 1, 1, 1], repeating: 1)
        var weights = try step.parameters.first.map(tensor) ?? ones
        var bias = step.parameters.count > 1 ? try tensor(step.parameters[1]).values : []
        let channels = weights.shape[0]
        let stride = weights.count / channels
        func scale(_ channel: Int, by factor: Float) {
            weights.values.withUnsafeMutableBufferPointer { values in
                elementwise_scale(stride, factor, values.baseAddress.map { $0 + channel * stride })
            }
        }
        if bias.isEmpty { bias = Array(repeating: 0, count: channels) }
        if let factor = step.factor {
            let factors = try tensor(factor).values
            for channel in 0..<channels {
                bias[channel] *= factors[channel]
                scale(channel, by: factors[channel])
            }
        }
        guard let normalization = step.normalization else { return (weights, bias) }

        let statistics = try normalization.parameters.map { try tensor($0).values }
        let gamma = normalization.hasScale ? statistics[0] : Array(repeating: 1, count: channels)
        let last = statistics.count - 3
        let (beta, mean, variance) = (statistics[last], statistics[last + 1], statistics[last + 2])
        for channel in 0..<channels {
            let standardDeviation = (Double(variance[channel]) + Double(normalization.epsilon)).squareRoot()
            let factor = Double(gamma[channel]) / standardDeviation
            bias[channel] = Float((Double(bias[channel]) - Double(mean[channel])) * factor + Double(beta[channel]))
            scale(channel, by: Float(factor))
        }
        return (weights, bias)
    }

    /// Parameters of a step without weights: scales and shifts, position embeddings, a query.
    struct TableRequest {
        let name: String
        /// Indices into `Graph.parameters`.
        let parameters: [Int]
        let make: ([Tensor]) -> [Float]
    }

    /// The parameters of a `TableRequest`.
    ///
    /// `@unchecked Sendable`: the buffer is filled before the value leaves `PackedWeights` and is only read afterwards.
    struct Table: @unchecked Sendable {
        let name: String
        let values: AlignedBuffer
        let count: Int
        let isFinite: Bool
    }

    /// Returns the requested tables, each created once for all plans.
    func tables(_ requests: [TableRequest], in graph: Graph) throws -> [Table] {
        try packing.serially {
            try requests.map { request in
                if let known = state.withLock({ $0.tables.first { $0.name == request.name } }) { return known }
                let values = request.make(try request.parameters.map { try source.tensor(for: graph.parameters[$0]) })
                let table = Table(
                    name: request.name, values: AlignedBuffer(values), count: values.count, isFinite: values.areFinite)
                state.withLock { $0.tables.append(table) }
                return table
            }
        }
    }
}

import COneDNN
import Inference
import NeuralNetwork

/// Batch normalisation, and the layers that oneDNN computes.
extension DifferentiablePlan {
    func normalize(
        _ id: Graph.NodeID, _ input: Matrix, _ pass: inout ForwardPass, _ parameter: (Int) -> UnsafePointer<Float>,
        epsilon: Float, hasScale: Bool
    ) throws -> Matrix {
        let channels = ImageShape(graph[id].shape).channels
        let ones = [Float](repeating: 1, count: channels)
        return try ones.withUnsafeBufferPointer { ones in
            let place = hasScale ? 1 : 0
            let scale = hasScale ? parameter(0) : ones.baseAddress!
            if let layer: NormalizationLayer = try layer(id, batch: input.rows) {
                let (result, state) = try layer.forward(input, scale: scale, shift: parameter(place))
                pass.saved[id] = .normalization(state)
                return result
            }
            let (shift, mean, variance) = (parameter(place), parameter(place + 1), parameter(place + 2))
            let factors = (0..<channels).map { scale[$0] / (variance[$0] + epsilon).squareRoot() }
            let summands = (0..<channels).map { shift[$0] - mean[$0] * factors[$0] }
            pass.saved[id] = .factors(factors)
            return input.mapChannels(channels) { $0 * factors[$1] + summands[$1] }
        }
    }

    func normalizeBackward(
        _ id: Graph.NodeID, _ gradient: Matrix, _ input: Matrix, _ state: NormalizationLayer.State,
        _ parameter: (Int) -> UnsafePointer<Float>, _ target: (Int) -> UnsafeMutablePointer<Float>?, hasScale: Bool
    ) throws -> Matrix? {
        guard let layer: NormalizationLayer = try layer(id, batch: gradient.rows) else { return nil }
        let channels = ImageShape(graph[id].shape).channels
        let (ones, unused) = (FloatBuffer(channels, 1), FloatBuffer(channels))
        return try layer.backward(
            gradient, input: input, state, scale: hasScale ? parameter(0) : UnsafePointer(ones.pointer),
            shift: parameter(hasScale ? 1 : 0),
            scaleGradient: (hasScale ? target(0) : nil) ?? unused.pointer,
            shiftGradient: target(hasScale ? 1 : 0) ?? unused.pointer)
    }

    /// Weight of the batch statistics in the running statistics, PyTorch's default.
    package static let momentum: Float = 0.1

    /// Updates the running statistics as PyTorch does, with the unbiased variance.
    package func updateStatistics(_ pass: ForwardPass, _ parameters: inout NetworkParameters) {
        let places = parameters.places
        parameters.fixed.withMutablePointer { fixed in
            for (id, saved) in pass.saved {
                guard case .normalization(let state) = saved,
                    case .batchNormalization(_, let hasScale) = graph[id].operation
                else { continue }
                let shape = ImageShape(graph[id].shape)
                let count = Float((pass.values[id]?.rows ?? 1) * shape.pixels)
                let first = hasScale ? 2 : 1
                let (mean, variance) = (
                    fixed + places[graph[id].parameters[first]].offset,
                    fixed + places[graph[id].parameters[first + 1]].offset
                )
                for channel in 0..<shape.channels {
                    mean[channel] += Self.momentum * (state.mean.pointer[channel] - mean[channel])
                    let unbiased = state.variance.pointer[channel] * count / max(1, count - 1)
                    variance[channel] += Self.momentum * (unbiased - variance[channel])
                }
            }
        }
    }

    /// The layer of a node for a batch size, created on first use; nil if the node needs none.
    func layer<Layer>(_ id: Graph.NodeID, batch: Int) throws -> Layer? {
        if let known = layers[batch]?[id] { return known as? Layer }
        // An epoch has one batch size, and possibly another for its last batch.
        if layers[batch] == nil, layers.count > 2 { layers = [:] }
        let made = try makeLayer(id, batch)
        layers[batch, default: [:]][id] = made
        return made as? Layer
    }

    private func makeLayer(_ id: Graph.NodeID, _ batch: Int) throws -> AnyObject? {
        let node = graph[id]
        let (input, output) = (ImageShape(graph[node.inputs[0]].shape), ImageShape(node.shape))
        func pooling(_ kind: onednn_pooling_kind, _ window: Window) throws -> PoolingLayer {
            try PoolingLayer(node.name, kind, window, input: input, output: output, batch: batch, context)
        }
        switch node.operation {
        case .convolution(let options):
            return try ConvolutionLayer.make(
                .init(
                    name: node.name, options: options, input: input, output: output,
                    shape: graph.parameters[node.parameters[0]].shape, batch: batch,
                    trains: isTrained[node.parameters[0]], wantsInput: needsGradient.contains(node.inputs[0])),
                context)
        case .batchNormalization(let epsilon, _):
            guard node.parameters.contains(where: { isTrained[$0] }) else { return nil }
            return try NormalizationLayer(
                node.name, output, epsilon: epsilon, rectifies: rectifying.contains(id), batch: batch, context)
        case .maxPooling(let window): return try pooling(ONEDNN_MAX, window)
        case .averagePooling(let window, let counts):
            return try pooling(
                counts ? ONEDNN_AVERAGE_INCLUDING_PADDING : ONEDNN_AVERAGE_EXCLUDING_PADDING, window)
        default: return nil
        }
    }
}

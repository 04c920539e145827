import COneDNN
import Synchronization

/// Convolution weights, batch normalisation folded in, in the memory layout the kernels ask for.
///
/// Made once and shared by the plans of all workers: the first plan that needs a layer packs it, the
/// others wait and use the same bytes. The source is read one parameter at a time, so that loading a
/// network takes little more memory than the packed weights themselves.
public final class PackedWeights: Sendable {
    private let source: any ParameterSource
    private let layers = Mutex<[Layer]>([])

    /// Nothing is read before a plan needs it.
    public init(_ source: any ParameterSource) { self.source = source }

    /// One layer's weights and bias.
    ///
    /// `@unchecked Sendable`: the buffers are filled before the value leaves `PackedWeights` and are
    /// only read afterwards (oneDNN takes weights as input arguments); `layout` is immutable.
    struct Layer: @unchecked Sendable {
        let name: String
        let layout: Layout
        let weights: AlignedBuffer
        let bias: AlignedBuffer
        /// Whether every weight and bias is a finite number.
        let isFinite: Bool
    }

    /// Bytes held so far.
    public var bytes: Int { layers.withLock { $0.reduce(0) { $0 + $1.weights.bytes + $1.bias.bytes } } }

    /// Layers read so far that hold NaN or infinity.
    public var nonFiniteLayers: [String] { layers.withLock { $0.filter { !$0.isFinite }.map(\.name) } }

    /// The layer in the layout wanted, packed now if nobody did before.
    func layer(_ step: ConvolutionStep, in graph: Graph, layout: Layout, context: Context) throws -> Layer {
        try layers.withLock { layers in
            if let layer = layers.first(where: { $0.name == step.name && $0.layout == layout }) { return layer }
            let layer = try pack(step, in: graph, layout: layout, context: context)
            layers.append(layer)
            return layer
        }
    }

    private func pack(
        _ step: ConvolutionStep, in graph: Graph, layout: Layout, context: Context
    ) throws -> Layer {
        var (weights, bias) = try folded(step, in: graph)
        let bound = AlignedBuffer(bytes: layout.bytes)
        let plain = try Layout(step.weightDimensions(weights.shape), ONEDNN_PLAIN)
        let reorder = try Primitive(step.name + ".weight") {
            onednn_reorder_create(context.handle, plain.handle, layout.handle, $0)
        }
        let scratchpad = AlignedBuffer(bytes: reorder.scratchpadBytes)
        try weights.values.withUnsafeMutableBytes { bytes in
            try reorder.bind(
                source: bytes.baseAddress!, destination: bound.pointer, scratchpad: scratchpad.pointer)
            try reorder.execute(in: context)
        }
        let boundBias = AlignedBuffer(bytes: bias.count * 4)
        bias.withUnsafeBytes { boundBias.pointer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return Layer(
            name: step.name, layout: layout, weights: bound, bias: boundBias,
            isFinite: weights.values.areFinite && bias.areFinite)
    }

    /// Weights and bias with the batch normalisation that follows multiplied in:
    /// γ·(W·x + b − μ)/√(σ² + ε) + β.
    private func folded(_ step: ConvolutionStep, in graph: Graph) throws -> (Tensor, [Float]) {
        func tensor(_ index: Int) throws -> Tensor { try source.tensor(for: graph.parameters[index]) }
        var weights = try tensor(step.parameters[0])
        var bias = step.parameters.count > 1 ? try tensor(step.parameters[1]).values : []
        let channels = weights.shape[0]
        if bias.isEmpty { bias = Array(repeating: 0, count: channels) }
        guard let normalization = step.normalization else { return (weights, bias) }

        let statistics = try normalization.parameters.map { try tensor($0).values }
        let gamma = normalization.hasScale ? statistics[0] : Array(repeating: 1, count: channels)
        let last = statistics.count - 3
        let (beta, mean, variance) = (statistics[last], statistics[last + 1], statistics[last + 2])
        let stride = weights.count / channels
        for channel in 0..<channels {
            let deviation = (Double(variance[channel]) + Double(normalization.epsilon)).squareRoot()
            let scale = Double(gamma[channel]) / deviation
            bias[channel] = Float((Double(bias[channel]) - Double(mean[channel])) * scale + Double(beta[channel]))
            let factor = Float(scale)
            weights.values.withUnsafeMutableBufferPointer { values in
                for index in channel * stride..<(channel + 1) * stride { values[index] *= factor }
            }
        }
        return (weights, bias)
    }
}

import CElementwise
import COneDNN
import NeuralNetwork
import Synchronization
import Threads

/// Convolution weights with batch normalisation folded in, in the memory layout of the kernels.
///
/// Shared by the plans of all workers: the first plan that needs a layer packs it, the others wait and use the same
/// bytes. The source is read one parameter at a time, so that loading takes little more memory than the packed weights
/// themselves.
package final class PackedWeights: Sendable {
    /// Identifies the weights, such as a digest of the file; nil if unknown.
    package let identity: String?
    package let source: any ParameterSource
    let state = Mutex(State())
    let packing = Mutex(())

    struct State {
        var layers: [Layer] = []
        var tables: [Table] = []
        /// int8 scales of the weights, per output channel, by layer.
        var scales: [String: [Float]] = [:]
        /// Read for their scales, and about to be packed.
        var pending: [String: (Tensor, [Float])] = [:]
    }

    /// Weights are read when a plan needs them.
    package init(_ source: any ParameterSource, identity: String? = nil) {
        self.source = source
        self.identity = identity
    }

    /// The same source without packed weights.
    func unpacked() -> PackedWeights { PackedWeights(source, identity: identity) }

    /// Returns a layer. It is not kept if it had to be packed for this call.
    func layer(_ request: Request, in graph: Graph, _ context: Context) throws -> Layer {
        try state.withLock { $0.layers.first(where: request.fits) } ?? packed(request, in: graph, context)
    }

    /// One layer's weights and bias.
    ///
    /// `@unchecked Sendable`: the buffers are filled before the value leaves `PackedWeights` and are only read
    /// afterwards (oneDNN takes weights as input arguments); `layout` is immutable.
    struct Layer: @unchecked Sendable {
        let name: String
        let layout: Layout
        /// Scale of the int8 input, or 1 if the layer is not quantised.
        let sourceScale: Float
        let tap: Request.TemporalOffset?
        let weights: AlignedBuffer
        let bias: AlignedBuffer
        /// Whether every weight and bias is finite.
        let isFinite: Bool
    }

    /// Size of all packed weights.
    package var bytes: Int {
        state.withLock { state in
            state.layers.reduce(0) { $0 + $1.weights.bytes + $1.bias.bytes }
                + state.tables.reduce(0) { $0 + $1.values.bytes }
        }
    }

    /// Names of the layers read so far that hold NaN or infinity.
    package var nonFiniteLayers: [String] {
        state.withLock { state in
            state.layers.filter { !$0.isFinite }.map(\.name) + state.tables.filter { !$0.isFinite }.map(\.name)
        }
    }

    /// The layout in which a plan needs a layer.
    struct Request: Sendable {
        let step: ConvolutionStep
        let layout: Layout
        /// Scale of the int8 input, if the layout has int8 elements.
        let sourceScale: Float
        /// The temporal offset whose weights are packed separately.
        var tap: TemporalOffset?

        struct TemporalOffset: Equatable {
            let index: Int
            /// True for one of the offsets, which adds the bias.
            let hasBias: Bool
        }

        func fits(_ layer: Layer) -> Bool {
            layer.name == step.name && layer.sourceScale == sourceScale && layer.tap == tap
                && layer.layout == layout
        }
    }

    /// Returns the requested layers; missing ones are packed now, on all cores.
    func layers(_ requests: [Request], in graph: Graph) throws -> [Layer] {
        try packing.serially {
            let packed = state.withLock { $0.layers }
            let missing = requests.filter { request in !packed.contains(where: request.fits) }
            let new = try onAllCores(missing.count) {
                let context = try Context()
                return { try self.packed(missing[$0], in: graph, context) }
            }
            return state.withLock { state in
                state.layers += new
                return requests.compactMap { request in state.layers.first(where: request.fits) }
            }
        }
    }

    private func packed(_ request: Request, in graph: Graph, _ context: Context) throws -> Layer {
        let (step, layout, sourceScale) = (request.step, request.layout, request.sourceScale)
        let pending = state.withLock { $0.pending.removeValue(forKey: step.name) }
        var (weights, bias) = try pending ?? folded(step, in: graph)
        let isFinite = weights.values.areFinite && bias.areFinite
        var dimensions = step.weightDimensions(weights.shape)
        if let tap = request.tap {
            weights = weights.frame(tap.index)
            dimensions = weights.shape
            if !tap.hasBias { bias = Array(repeating: 0, count: bias.count) }
        }
        let bound: AlignedBuffer
        if layout.element == ONEDNN_S8 {
            let scales = Self.scales(of: weights)
            for (channel, scale) in scales.enumerated() {
                bias[channel] = onednn_stored_bias(bias[channel], sourceScale, scale)
            }
            var whole = Self.whole(weights, scales)
            bound = try Self.pack(&whole, dimensions, ONEDNN_S8, layout, step.name, context)
        } else {
            bound = try Self.pack(&weights.values, dimensions, ONEDNN_F32, layout, step.name, context)
        }
        return Layer(
            name: step.name, layout: layout, sourceScale: sourceScale, tap: request.tap, weights: bound,
            bias: AlignedBuffer(bias), isFinite: isFinite)
    }

    /// Computes the scales of layers in advance, on all cores.
    func prepareScales(_ steps: [ConvolutionStep], in graph: Graph) throws {
        try packing.serially {
            let known = state.withLock { Set($0.scales.keys) }
            let missing = steps.filter { !known.contains($0.name) }
            _ = try onAllCores(missing.count) {
                { index in
                    let folded = try self.folded(missing[index], in: graph)
                    let scales = Self.scales(of: folded.0)
                    self.state.withLock { state in
                        state.scales[missing[index].name] = scales
                        state.pending[missing[index].name] = folded
                    }
                }
            }
        }
    }

    /// int8 scales of a layer's weights, per output channel.
    func scales(_ step: ConvolutionStep, in graph: Graph) throws -> [Float] {
        try state.withLock { state in
            if let known = state.scales[step.name] { return known }
            let folded = try folded(step, in: graph)
            let scales = Self.scales(of: folded.0)
            state.scales[step.name] = scales
            state.pending[step.name] = folded
            return scales
        }
    }

    /// Symmetric scales: each filter's largest magnitude becomes 127.
    private static func scales(of weights: Tensor) -> [Float] {
        let stride = weights.count / weights.shape[0]
        return weights.values.withUnsafeBufferPointer { values in
            (0..<weights.shape[0]).map { channel in
                let largest = elementwise_largest(stride, values.baseAddress! + channel * stride)
                return largest > 0 && largest.isFinite ? largest / 127 : 1
            }
        }
    }

    private static func whole(_ weights: Tensor, _ scales: [Float]) -> [Int8] {
        let stride = weights.count / scales.count
        return [Int8](unsafeUninitializedCapacity: weights.count) { whole, count in
            weights.values.withUnsafeBufferPointer { values in
                for (channel, scale) in scales.enumerated() {
                    let first = channel * stride
                    elementwise_quantize(
                        stride, scale, values.baseAddress! + first, whole.baseAddress! + first)
                }
            }
            count = weights.count
        }
    }

    private static func pack<Element>(
        _ values: inout [Element], _ dimensions: [Int], _ element: onednn_element, _ layout: Layout, _ name: String,
        _ context: Context
    ) throws -> AlignedBuffer {
        let bound = AlignedBuffer(bytes: layout.bytes)
        let plain = try Layout(dimensions, ONEDNN_PLAIN, element)
        let reorder = try Primitive(name + ".weight") {
            onednn_reorder_create(context.handle, plain.handle, layout.handle, 1, $0)
        }
        try values.withUnsafeMutableBytes { try reorder.run(from: $0.baseAddress!, to: bound.pointer, in: context) }
        return bound
    }
}

extension Tensor {
    /// Of weights `[out, in, frames, height, width]`, those at one temporal offset: `[out, in, height, width]`.
    fileprivate func frame(_ index: Int) -> Tensor {
        let (frames, size) = (shape[2], shape[3] * shape[4])
        var values: [Float] = []
        values.reserveCapacity(count / frames)
        for filter in 0..<shape[0] * shape[1] {
            let first = (filter * frames + index) * size
            values += self.values[first..<first + size]
        }
        return Tensor(shape: [shape[0], shape[1], shape[3], shape[4]], values: values)
    }
}

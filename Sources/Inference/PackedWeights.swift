import CElementwise
import COneDNN
import Foundation
import NeuralNetwork
import Synchronization

/// Convolution weights, batch normalisation folded in, in the memory layout the kernels ask for.
///
/// Made once and shared by the plans of all workers: the first plan that needs a layer packs it, the
/// others wait and use the same bytes. The source is read one parameter at a time, so that loading a
/// network takes little more memory than the packed weights themselves.
public final class PackedWeights: Sendable {
    /// What tells these weights from others, such as a digest of the file; nil where nothing is known.
    public let identity: String?
    package let source: any ParameterSource
    let state = Guarded(State())
    let packing = NSLock()

    struct State {
        var layers: [Layer] = []
        var tables: [Table] = []
        /// What one step of eight-bit weights is worth, for each filter, by layer.
        var scales: [String: [Float]] = [:]
        /// Read for their scales, and about to be packed.
        var pending: [String: (Tensor, [Float])] = [:]
    }

    /// Nothing is read before a plan needs it.
    public init(_ source: any ParameterSource, identity: String? = nil) {
        self.source = source
        self.identity = identity
    }

    /// The same weights, packed by nobody yet.
    func unpacked() -> PackedWeights { PackedWeights(source, identity: identity) }

    /// A layer as wanted, which is not kept where nobody packed it before.
    func layer(_ request: Request, in graph: Graph, _ context: Context) throws -> Layer {
        try state.withLock { $0.layers.first(where: request.fits) } ?? packed(request, in: graph, context)
    }

    /// One layer's weights and bias.
    ///
    /// `@unchecked Sendable`: the buffers are filled before the value leaves `PackedWeights` and are
    /// only read afterwards (oneDNN takes weights as input arguments); `layout` is immutable.
    struct Layer: @unchecked Sendable {
        let name: String
        let layout: Layout
        /// Of the input, where the weights have eight bits; else 1.
        let sourceScale: Float
        let tap: Request.Tap?
        let weights: AlignedBuffer
        let bias: AlignedBuffer
        /// Whether every weight and bias is a finite number.
        let isFinite: Bool
    }

    /// Bytes held so far.
    public var bytes: Int {
        state.withLock { state in
            state.layers.reduce(0) { $0 + $1.weights.bytes + $1.bias.bytes }
                + state.tables.reduce(0) { $0 + $1.values.bytes }
        }
    }

    /// Layers read so far that hold NaN or infinity.
    public var nonFiniteLayers: [String] {
        state.withLock { state in
            state.layers.filter { !$0.isFinite }.map(\.name) + state.tables.filter { !$0.isFinite }.map(\.name)
        }
    }

    /// What a plan needs of a layer.
    struct Request: Sendable {
        let step: ConvolutionStep
        let layout: Layout
        /// Where the layout has eight-bit elements, what one step of the input is worth.
        let sourceScale: Float
        /// One place of a window over frames, where it is computed by itself.
        var tap: Tap?

        struct Tap: Equatable {
            let index: Int
            /// One of the places adds it.
            let hasBias: Bool
        }

        func fits(_ layer: Layer) -> Bool {
            layer.name == step.name && layer.sourceScale == sourceScale && layer.tap == tap
                && layer.layout == layout
        }
    }

    /// The layers as wanted. What nobody packed before is packed now, on all cores.
    func layers(_ requests: [Request], in graph: Graph) throws -> [Layer] {
        try packing.withLock {
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
        let boundBias = AlignedBuffer(bytes: bias.count * 4)
        bias.withUnsafeBytes { boundBias.pointer.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return Layer(
            name: step.name, layout: layout, sourceScale: sourceScale, tap: request.tap, weights: bound,
            bias: boundBias,
            isFinite: isFinite)
    }

    /// Finds the scales of layers that `scales` will be asked for, on all cores.
    func prepareScales(_ steps: [ConvolutionStep], in graph: Graph) throws {
        try packing.withLock {
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

    /// What one step of a layer's eight-bit weights is worth, for each filter.
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

    /// So that each filter's largest weight is 127.
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
        let scratchpad = AlignedBuffer(bytes: reorder.scratchpadBytes)
        try values.withUnsafeMutableBytes { bytes in
            try reorder.bind(
                source: bytes.baseAddress!, destination: bound.pointer, scratchpad: scratchpad.pointer)
            try reorder.execute(in: context)
        }
        return bound
    }
}

extension Tensor {
    /// Of weights `[out, in, frames, height, width]`, those for one frame: `[out, in, height, width]`.
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

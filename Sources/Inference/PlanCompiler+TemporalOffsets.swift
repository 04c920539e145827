import COneDNN
import NeuralNetwork

/// A convolution over consecutive frames as a sum of 2-D convolutions, one per temporal offset, so that Winograd
/// convolution (Lavin and Gray 2015, arXiv:1509.09308) saves multiplications for video encoders too.
extension PlanCompiler {
    /// One primitive per temporal offset; nil if this oneDNN lacks a measured kernel.
    func tapPrimitives(_ step: ConvolutionStep, winograd: Bool) -> [Primitive]? {
        let taps = step.taps(frames: shapes[step.output].frames)
        return try? taps.enumerated().map { place, tap in
            var request = step.request(tap, from: shapes[step.input], to: shapes[step.output])
            request.weights_element = element
            request.winograd = winograd
            request.accumulate = place > 0 || step.accumulated != nil
            request.activation = place == taps.count - 1 ? step.activation?.code ?? ONEDNN_IDENTITY : ONEDNN_IDENTITY
            return try convolution(
                step.name, &request, part(step.input, of: tap.frames.count), part(step.output, of: tap.frames.count))
        }
    }

    mutating func compileTaps(_ step: ConvolutionStep, _ primitives: [Primitive]) throws {
        let blocked = try layout(step.output, ONEDNN_BLOCKED, element)
        let source = try converted(step.input, to: layout(step.input, ONEDNN_BLOCKED, element), nil, step.name)
        let accumulated = try step.accumulated.map { try converted($0, to: blocked, nil, step.name) }
        let destination = accumulated?.buffer ?? newBuffer(blocked.bytes)
        let frames = shapes[step.output].frames
        let (read, written) = (source.layout.bytes / frames, blocked.bytes / frames)
        let taps = step.taps(frames: frames)
        for (place, (tap, primitive)) in zip(taps, primitives).enumerated() {
            append(
                part: Operation(
                    kernel: primitive, sources: [source.buffer], destination: destination,
                    layer: PackedWeights.Request(
                        step: step, layout: primitive.weights!, sourceScale: 1,
                        tap: .init(index: tap.index, hasBias: place == 0)),
                    offsets: (tap.source * read, tap.frames.lowerBound * written)))
        }
        if let activation = step.activation, let last = taps.last {
            try activate(step, activation, frames: 0..<last.frames.lowerBound, destination, written)
            try activate(step, activation, frames: last.frames.upperBound..<frames, destination, written)
        }
        values[step.output] = Placed(buffer: destination, layout: blocked)
        observeLast(blocked, step.output)
    }

    /// Applies the activation to frames that the last offset does not write.
    private mutating func activate(
        _ step: ConvolutionStep, _ activation: Activation, frames: Range<Int>, _ buffer: Buffer, _ bytes: Int
    ) throws {
        if frames.isEmpty { return }
        let part = try part(step.output, of: frames.count)
        let primitive = try Primitive(step.name, activation.code, part, context)
        let offset = frames.lowerBound * bytes
        append(
            part: Operation(kernel: primitive, sources: [buffer], destination: buffer, offsets: (offset, offset)))
    }

    private func part(_ value: Lowering.Value, of frames: Int) throws -> Layout {
        let shape = shapes[value]
        return try Layout([frames, shape.channels, shape.height, shape.width], ONEDNN_BLOCKED, element)
    }
}

/// One temporal offset of a window over frames.
struct TemporalOffset {
    let index: Int
    let frames: Range<Int>
    /// The first frame that it reads.
    let source: Int
}

extension ConvolutionStep {
    /// Whether the convolution can be computed as a sum over temporal offsets: a batch of one clip, as many output
    /// frames as input frames, and no activation that Winograd kernels cannot fuse.
    func canSumTaps(batch: Int) -> Bool {
        let time = options.window.time
        return batch == 1 && options.groups == 1 && time.kernel > 1 && time.kernel % 2 == 1 && time.stride == 1
            && time.leading == time.kernel / 2 && time.trailing == time.leading
            && (activation == nil || activation == .relu)
    }

    /// The temporal offsets that overlap any frame; the one that covers all frames comes first.
    func taps(frames: Int) -> [TemporalOffset] {
        let middle = options.window.time.kernel / 2
        let offsets = [0] + (-middle...middle).filter { $0 != 0 && abs($0) < frames }
        return offsets.map { offset in
            let first = max(0, -offset)
            return TemporalOffset(
                index: middle + offset, frames: first..<min(frames, frames - offset), source: first + offset)
        }
    }

    /// The oneDNN request for one temporal offset.
    func request(_ tap: TemporalOffset, from input: ImageShape, to output: ImageShape) -> onednn_convolution_options {
        var request = request(batch: 1, from: input, to: output)
        request.window.batch = Int64(tap.frames.count)
        request.window.over_frames = false
        return request
    }
}

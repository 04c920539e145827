import COneDNN
import NeuralNetwork

/// A convolution to be benchmarked on this machine for the choice of kernels and memory formats.
struct ConvolutionBenchmark: Sendable {
    let step: ConvolutionStep
    let from: ImageShape
    let to: ImageShape
    let readsInput: Bool
    var batch: Int
    let element: onednn_element

    /// Contains everything that determines its run time.
    var signature: String {
        let separates = options.separations(winograd: options.canWinograd) != [false]
        return options.signature + (readsInput ? "input" : "") + (separates ? "s" : "")
    }

    /// The same convolution with a batch small enough for little memory.
    var small: ConvolutionBenchmark {
        var small = self
        small.batch = min(batch, max(2, Self.enoughBytes / ((from.size + to.size) * element.bytes)))
        return small
    }

    private static let enoughBytes = 16 << 20

    private var options: onednn_convolution_options {
        var options = step.request(batch: batch, from: from, to: to)
        options.weights_element = element
        return options
    }

    /// The candidate kernels with estimated seconds, from measurements of comparable kernels on another machine.
    /// Reference loops, and kernels for much older processors, are excluded.
    func estimated(_ context: Context) -> [ConvolutionKernel] {
        candidates(context).map { $0.kernel(seconds: $0.seconds) }
    }

    /// The candidate kernels with measured seconds.
    func measured(_ bench: KernelBench) -> [ConvolutionKernel] {
        var best = Double.infinity
        return candidates(bench.context).compactMap { candidate in
            var seconds =
                candidate.runs
                * bench.seconds(
                    candidate.made.convolution, candidate.buffers, bias: step.options.outChannels * 4,
                    unlessSlowerThan: best / candidate.runs)
            if let activation = candidate.made.activation {
                seconds += bench.seconds(activation, inPlace: candidate.buffers[2])
            }
            best = min(best, seconds)
            return seconds.isFinite ? candidate.kernel(seconds: seconds) : nil
        }
    }

    private struct Candidate {
        let format: MemoryFormat
        let isWinograd: Bool
        let made: ActivatedConvolution
        /// Bytes of source, weights and destination.
        let buffers: [Int]
        let likely: Double
        /// How often it runs per batch.
        var runs = 1.0

        var seconds: Double { likely * runs }

        func kernel(seconds: Double) -> ConvolutionKernel {
            ConvolutionKernel(
                format: format, isWinograd: isWinograd, separatesActivation: made.activation == nil ? nil : true,
                seconds: seconds)
        }
    }

    /// oneDNN's first implementation for each format and algorithm. (Later ones are slower nearly everywhere, and
    /// version 2.6 returns the first again if it is in its primitive cache.)
    private func candidates(_ context: Context) -> [Candidate] {
        let options = options
        if step.options.window.reachesOverFrames { return overFrames(context) }
        return MemoryFormat.allCases.flatMap { format in
            (options.canWinograd ? [false, true] : [false]).flatMap { isWinograd in
                var request = options
                request.winograd = isWinograd
                return request.separations(winograd: isWinograd).compactMap {
                    candidate(request, format, separates: $0, context)
                }
            }
        }
    }

    /// All frames in one 3-D convolution, channels last; or a sum over the window's temporal offsets if that saves
    /// multiplications.
    private func overFrames(_ context: Context) -> [Candidate] {
        var candidates = [candidate(options, .channelsLast, context)]
        let taps = step.taps(frames: to.frames)
        var request = step.request(taps[0], from: from, to: to)
        request.weights_element = element
        if step.canSumTaps(batch: batch), request.canWinograd, !readsInput {
            request.winograd = true
            request.activation = ONEDNN_IDENTITY
            var tap = candidate(request, .blocked, context)
            // Accumulation reads the output that earlier offsets wrote.
            tap?.runs = Double(taps.reduce(0) { $0 + $1.frames.count }) / Double(to.frames)
            candidates.append(tap)
        }
        return candidates.compactMap { $0 }
    }

    private func candidate(
        _ request: onednn_convolution_options, _ format: MemoryFormat, separates: Bool = false, _ context: Context
    ) -> Candidate? {
        let frames = request.window.over_frames
        let (batch, read) = (
            frames ? batch : Int(request.window.batch), readsInput ? ONEDNN_CHANNELS_LAST : format.code
        )
        func dimensions(_ shape: ImageShape) -> [Int] {
            frames
                ? shape.dimensions(batch: batch, withFrames: true)
                : [batch, shape.channels, shape.height, shape.width]
        }
        guard let source = try? Layout(dimensions(from), read, element),
            let destination = try? Layout(dimensions(to), format.code, element),
            let made = try? ActivatedConvolution(
                "candidate", request, source, destination, separates: separates, context),
            !made.convolution.isSlow, let weights = made.convolution.weights
        else { return nil }
        let activating = made.activation == nil ? 0 : 2 * Double(destination.bytes) / 1.6e10
        return Candidate(
            format: format, isWinograd: request.winograd, made: made,
            buffers: [source.bytes, weights.bytes, destination.bytes],
            likely: request.estimatedSeconds(format) + activating)
    }
}

extension String {
    /// Replaces the batch size, which is the first number in a convolution's signature.
    func replacing(batch: String) -> String {
        guard let first = firstIndex(where: { $0 == "x" }) else { return self }
        let rest = self[index(after: first)...]
        return self[...first] + batch + rest.drop(while: \.isNumber)
    }

    /// The batch size in a convolution's signature.
    var batch: Int? {
        guard let first = firstIndex(where: { $0 == "x" }) else { return nil }
        return Int(self[index(after: first)...].prefix(while: \.isNumber))
    }
}

extension onednn_convolution_options {
    /// Winograd convolution (Lavin and Gray 2015) is implemented for 3×3 windows in `f32`.
    fileprivate var canWinograd: Bool {
        let w = window
        return (w.kernel.1, w.kernel.2, w.stride.1, w.stride.2, w.dilation.1, w.dilation.2) == (3, 3, 1, 1, 1, 1)
            && groups == 1 && !w.over_frames && weights_element == ONEDNN_F32
    }

    /// Estimated seconds on one core with wide vectors, from the median of a few thousand measured convolutions of each
    /// kind. Only the ranking and the order of magnitude matter.
    fileprivate func estimatedSeconds(_ format: MemoryFormat) -> Double {
        let w = window
        let overFrames = w.over_frames ? w.out.0 * w.kernel.0 : 1
        let adds =
            w.batch * overFrames * w.out_channels * w.out.1 * w.out.2 * (w.in_channels / groups) * w.kernel.1
            * w.kernel.2
        let isBlocked = format == .blocked
        let rate =
            if winograd { adds > 10_000_000 ? 330.0 : 140.0 } else if groups == w.in_channels {
                isBlocked ? 54.0 : 45.0
            } else if groups > 1 { isBlocked ? 170.0 : 70.0 } else { isBlocked ? 165.0 : 160.0 }
        return 2e-9 * Double(adds) / rate / (weights_element == ONEDNN_BF16 ? 0.6 : 1)
    }
}

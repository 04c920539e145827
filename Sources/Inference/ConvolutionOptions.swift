import COneDNN
import NeuralNetwork

extension ConvolutionStep {
    /// The oneDNN request for the convolution in `f32`.
    func request(batch: Int, from input: ImageShape, to output: ImageShape) -> onednn_convolution_options {
        var request = onednn_convolution_options(options, batch: batch, from: input, to: output)
        request.accumulate = accumulated != nil
        request.activation = activation?.code ?? ONEDNN_IDENTITY
        (request.source_scale, request.destination_scale, request.accumulated_scale) = (1, 1, 1)
        return request
    }
}

extension onednn_convolution_options {
    /// Sizes only.
    package init(_ options: Convolution, batch: Int, from input: ImageShape, to output: ImageShape) {
        self.init()
        window = onednn_window(options.window, batch: batch, from: input, to: output)
        groups = Int64(options.groups)
    }

    /// Contains everything that determines the run time.
    var signature: String {
        let w = window
        let sizes = [
            w.batch, w.in_channels, w.in.1, w.in.2, w.out_channels, w.out.1, w.out.2, w.kernel.1, w.kernel.2,
            w.stride.1, w.stride.2, w.before.1, w.before.2, groups,
        ]
        let dilation = w.dilation.1 * w.dilation.2 > 1 ? "d\(w.dilation.1)x\(w.dilation.2)" : ""
        return ([weights_element.name] + sizes.map(String.init)).joined(separator: "x")
            + dilation + (w.over_frames ? "f\(w.in.0)x\(w.out.0)x\(w.kernel.0)x\(w.stride.0)" : "")
            + (accumulate ? "+" : "") + "a\(activation.rawValue)"
    }
}

extension onednn_element {
    var name: String {
        switch self {
        case ONEDNN_BF16: "bf16"
        case ONEDNN_S8: "s8"
        case ONEDNN_U8: "u8"
        default: "f32"
        }
    }

    var bytes: Int {
        switch self {
        case ONEDNN_BF16: 2
        case ONEDNN_S8, ONEDNN_U8: 1
        default: 4
        }
    }
}

extension Activation {
    var code: onednn_activation {
        switch self {
        case .relu: ONEDNN_RELU
        case .sigmoid: ONEDNN_SIGMOID
        case .tanh: ONEDNN_TANH
        case .silu: ONEDNN_SILU
        case .relu6: ONEDNN_RELU6
        case .hardSigmoid: ONEDNN_HARD_SIGMOID
        case .hardSwish: ONEDNN_HARD_SWISH
        case .gelu: ONEDNN_GELU
        case .geluTanh: ONEDNN_GELU_TANH
        case .quickGELU: ONEDNN_QUICK_GELU
        }
    }
}

extension onednn_window {
    /// Frames that no window spans count as images of the batch.
    package init(_ window: Window, batch: Int, from input: ImageShape, to output: ImageShape) {
        func sizes(_ frames: Int, _ extent: Extent) -> (Int64, Int64, Int64) {
            (Int64(frames), Int64(extent.height), Int64(extent.width))
        }
        let (time, spans) = (window.time, window.reachesOverFrames)
        self.init(
            over_frames: spans, batch: Int64(spans ? batch : batch * input.frames), in_channels: Int64(input.channels),
            out_channels: Int64(output.channels), in: sizes(input.frames, Extent(input.height, input.width)),
            out: sizes(output.frames, Extent(output.height, output.width)), kernel: sizes(time.kernel, window.kernel),
            stride: sizes(time.stride, window.stride), before: sizes(time.leading, window.leading),
            after: sizes(time.trailing, window.trailing), dilation: sizes(1, window.dilation))
    }
}

extension ImageShape {
    /// oneDNN's dimensions: frames are a dimension of their own if a window spans them, otherwise part of the batch.
    package func dimensions(batch: Int, withFrames: Bool) -> [Int] {
        withFrames ? [batch, channels, frames, height, width] : [batch * frames, channels, height, width]
    }
}

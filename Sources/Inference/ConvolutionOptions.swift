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
    /// Sizes only. Frames that no window spans count as images of the batch.
    package init(_ options: Convolution, batch: Int, from input: ImageShape, to output: ImageShape) {
        self.init()
        let window = options.window
        (self.batch, frames) = window.batch(batch, from: input, to: output)
        (in_channels, in_height, in_width) = input.sizes
        (out_channels, out_height, out_width) = output.sizes
        (kernel_height, kernel_width) = window.kernel.pair
        (stride_height, stride_width) = window.stride.pair
        (dilation_height, dilation_width) = window.dilation.pair
        (pad_top, pad_left) = window.leading.pair
        (pad_bottom, pad_right) = window.trailing.pair
        groups = Int64(options.groups)
    }

    /// Contains everything that determines the run time.
    var signature: String {
        let sizes = [
            batch, in_channels, in_height, in_width, out_channels, out_height, out_width, kernel_height, kernel_width,
            stride_height, stride_width, pad_top, pad_left, groups,
        ]
        let dilation = dilation_height * dilation_width > 1 ? "d\(dilation_height)x\(dilation_width)" : ""
        return ([weights_element.name] + sizes.map(String.init)).joined(separator: "x")
            + dilation + (frames.in > 0 ? "f\(frames.in)x\(frames.out)x\(frames.kernel)x\(frames.stride)" : "")
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

extension onednn_pooling_options {
    /// Frames that no window spans count as images of the batch.
    package init(
        _ kind: onednn_pooling_kind, _ window: Window, batch: Int, from input: ImageShape, to output: ImageShape
    ) {
        self.init()
        self.kind = kind
        (self.batch, frames) = window.batch(batch, from: input, to: output)
        (channels, in_height, in_width) = input.sizes
        (_, out_height, out_width) = output.sizes
        (kernel_height, kernel_width) = window.kernel.pair
        (stride_height, stride_width) = window.stride.pair
        (pad_top, pad_left) = window.leading.pair
        (pad_bottom, pad_right) = window.trailing.pair
    }
}

extension Window {
    fileprivate func batch(_ batch: Int, from input: ImageShape, to output: ImageShape) -> (Int64, onednn_frames) {
        guard reachesOverFrames else { return (Int64(batch * input.frames), onednn_frames()) }
        let frames = onednn_frames(
            in: Int64(input.frames), out: Int64(output.frames), kernel: Int64(time.kernel),
            stride: Int64(time.stride), pad_front: Int64(time.leading), pad_back: Int64(time.trailing))
        return (Int64(batch), frames)
    }
}

extension ImageShape {
    var sizes: (Int64, Int64, Int64) { (Int64(channels), Int64(height), Int64(width)) }

    /// oneDNN's dimensions: frames are a dimension of their own if a window spans them, otherwise part of the batch.
    package func dimensions(batch: Int, withFrames: Bool) -> [Int] {
        withFrames ? [batch, channels, frames, height, width] : [batch * frames, channels, height, width]
    }
}

extension Extent {
    var pair: (Int64, Int64) { (Int64(height), Int64(width)) }
}

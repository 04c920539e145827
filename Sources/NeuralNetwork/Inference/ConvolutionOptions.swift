import COneDNN

extension ConvolutionStep {
    /// What oneDNN is asked for, in `f32`.
    func request(batch: Int, from input: ImageShape, to output: ImageShape) -> onednn_convolution_options {
        let window = options.window
        var request = onednn_convolution_options()
        request.batch = Int64(batch)
        (request.in_channels, request.out_channels) = (Int64(input.channels), Int64(output.channels))
        (request.in_height, request.in_width) = (Int64(input.height), Int64(input.width))
        (request.out_height, request.out_width) = (Int64(output.height), Int64(output.width))
        (request.kernel_height, request.kernel_width) = window.kernel.pair
        (request.stride_height, request.stride_width) = window.stride.pair
        (request.dilation_height, request.dilation_width) = window.dilation.pair
        (request.pad_top, request.pad_left) = window.leading.pair
        (request.pad_bottom, request.pad_right) = window.trailing.pair
        request.groups = Int64(options.groups)
        request.accumulate = accumulated != nil
        request.activation = activation?.code ?? ONEDNN_IDENTITY
        (request.source_scale, request.destination_scale, request.accumulated_scale) = (1, 1, 1)
        return request
    }
}

extension onednn_convolution_options {
    /// All that decides how long it takes.
    var signature: String {
        let sizes = [
            batch, in_channels, in_height, in_width, out_channels, out_height, out_width, kernel_height, kernel_width,
            stride_height, stride_width, pad_top, pad_left, groups,
        ]
        let dilation = dilation_height * dilation_width > 1 ? "d\(dilation_height)x\(dilation_width)" : ""
        return ([weights_element.name] + sizes.map(String.init)).joined(separator: "x")
            + dilation + (accumulate ? "+" : "") + "a\(activation.rawValue)"
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
}

extension onednn_element {
    /// Of one number.
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

extension Extent {
    var pair: (Int64, Int64) { (Int64(height), Int64(width)) }
}

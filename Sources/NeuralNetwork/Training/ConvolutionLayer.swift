import COneDNN

/// A convolution of pictures `[row, column, channel]`, forward and backward, through oneDNN; for one batch size.
final class ConvolutionLayer {
    private let forward: TrainingPrimitive
    /// Nil where nobody wants the gradient of the input.
    private let backwardData: TrainingPrimitive?
    /// Nil where the weights are frozen.
    private let backwardWeights: TrainingPrimitive?
    private let hasBias: Bool
    private let outputSize: Int
    private let channels: Int
    private let inputSize: Int
    private let intoForward, intoBackward, outOfBackward: ParameterReorder?
    private let forwardWeights, dataWeights, weightGradients: AlignedBuffer

    /// - Parameters:
    ///   - shape: of the weight, as published.
    ///   - trains: whether the gradient of the parameters is wanted.
    ///   - wantsInput: whether that of the input is.
    init(
        _ name: String, _ options: Convolution, input: ImageShape, output: ImageShape, shape: [Int], batch: Int,
        trains: Bool, wantsInput: Bool, _ context: Context
    ) throws {
        var request = onednn_convolution_options()
        request.batch = Int64(batch)
        (request.in_channels, request.in_height, request.in_width) = input.sizes
        (request.out_channels, request.out_height, request.out_width) = output.sizes
        let window = options.window
        (request.kernel_height, request.kernel_width) = (Int64(window.kernel.height), Int64(window.kernel.width))
        (request.stride_height, request.stride_width) = (Int64(window.stride.height), Int64(window.stride.width))
        (request.pad_top, request.pad_left) = (Int64(window.leading.height), Int64(window.leading.width))
        (request.pad_bottom, request.pad_right) = (Int64(window.trailing.height), Int64(window.trailing.width))
        request.groups = Int64(options.groups)
        hasBias = options.hasBias
        (inputSize, outputSize, channels) = (input.count, output.count, output.channels)
        let withBias = options.hasBias
        func primitive(_ direction: onednn_direction) throws -> TrainingPrimitive {
            try TrainingPrimitive(name, context) {
                onednn_convolution_training_create(
                    context.handle, &request, withBias && direction == ONEDNN_FORWARD, direction, $0)
            }
        }
        forward = try primitive(ONEDNN_FORWARD)
        backwardData = wantsInput ? try primitive(ONEDNN_BACKWARD_DATA) : nil
        backwardWeights = trains ? try primitive(ONEDNN_BACKWARD_WEIGHTS) : nil
        let grouped = [options.groups, shape[0] / options.groups] + shape[1...]
        let plain = try Layout(options.groups > 1 ? grouped : shape, ONEDNN_PLAIN)
        func reorder(from: Layout, to: Layout) throws -> ParameterReorder {
            try ParameterReorder(name, from: from, to: to, context)
        }
        let forwardLayout = forward.layout(ONEDNN_WEIGHTS) ?? plain
        intoForward = try reorder(from: plain, to: forwardLayout)
        forwardWeights = AlignedBuffer(bytes: forwardLayout.bytes)
        let dataLayout = backwardData?.layout(ONEDNN_WEIGHTS)
        intoBackward = try dataLayout.map { try reorder(from: plain, to: $0) }
        dataWeights = AlignedBuffer(bytes: dataLayout?.bytes ?? 0)
        let gradientLayout = backwardWeights?.layout(ONEDNN_DIFF_WEIGHTS)
        outOfBackward = try gradientLayout.map { try reorder(from: $0, to: plain) }
        weightGradients = AlignedBuffer(bytes: gradientLayout?.bytes ?? 0)
    }

    func forward(_ input: Matrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?) throws -> Matrix {
        let output = Matrix(input.rows, outputSize)
        try intoForward?.run(from: UnsafeMutableRawPointer(mutating: weight), to: forwardWeights.pointer)
        var tensors: [(onednn_argument, UnsafeMutableRawPointer)] = [
            (ONEDNN_SOURCE, input.raw), (ONEDNN_WEIGHTS, forwardWeights.pointer), (ONEDNN_DESTINATION, output.raw),
        ]
        if hasBias, let bias { tensors.append((ONEDNN_BIAS, UnsafeMutableRawPointer(mutating: bias))) }
        try forward.run(tensors)
        return output
    }

    /// Writes the parameters' gradients, where they are trained.
    ///
    /// - Returns: the gradient of the input, where it is wanted.
    func backward(
        _ gradient: Matrix, input: Matrix, weight: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>?,
        biasGradient: UnsafeMutablePointer<Float>?
    ) throws -> Matrix? {
        if let backwardWeights, let weightGradient {
            try backwardWeights.run([
                (ONEDNN_SOURCE, input.raw), (ONEDNN_DIFF_DESTINATION, gradient.raw),
                (ONEDNN_DIFF_WEIGHTS, weightGradients.pointer),
            ])
            // Apart from the product, which is no slower without it.
            if let biasGradient {
                sumColumns(
                    gradient.pointer, count: gradient.count / channels, size: channels, into: biasGradient)
            }
            try outOfBackward?.run(from: weightGradients.pointer, to: UnsafeMutableRawPointer(weightGradient))
        }
        guard let backwardData else { return nil }
        let result = Matrix(input.rows, inputSize)
        try intoBackward?.run(from: UnsafeMutableRawPointer(mutating: weight), to: dataWeights.pointer)
        try backwardData.run([
            (ONEDNN_DIFF_DESTINATION, gradient.raw), (ONEDNN_WEIGHTS, dataWeights.pointer),
            (ONEDNN_DIFF_SOURCE, result.raw),
        ])
        return result
    }
}

extension Matrix {
    var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }
}

extension ImageShape {
    var count: Int { channels * height * width }
    fileprivate var sizes: (Int64, Int64, Int64) { (Int64(channels), Int64(height), Int64(width)) }
}

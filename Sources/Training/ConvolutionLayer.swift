import COneDNN
import Inference
import NeuralNetwork

/// A convolution of images `[row, column, channel]`, forward and backward, through oneDNN, for one batch size.
final class ConvolutionLayer {
    struct Request {
        let name: String
        let options: Convolution
        let input, output: ImageShape
        /// Shape of the weight, as published.
        let shape: [Int]
        var batch: Int
        /// Whether the parameters' gradients are needed.
        let trains: Bool
        /// Whether the input's gradient is needed.
        let wantsInput: Bool

        /// Whether Winograd convolution (Lavin and Gray, arXiv:1509.09308) may be used: a 3×3 window with stride 1 and
        /// many channels.
        var mayUseWinograd: Bool {
            let window = options.window
            return options.groups == 1 && !window.reachesOverFrames && window.kernel == Extent(3)
                && window.stride == Extent(1)
                && window.dilation == Extent(1)
                && [input.channels, output.channels].allSatisfy { $0 >= 64 && $0 % 16 == 0 } && output.height >= 4
                && output.width >= 4
        }
    }

    private let request: Request
    private let forward: TrainingPrimitive
    /// Nil if the input's gradient is not needed.
    private let backwardData: TrainingPrimitive?
    /// Nil if the weights are frozen.
    private let backwardWeights: TrainingPrimitive?
    private let intoForward, intoBackward, outOfBackward: ParameterReorder?
    private let forwardWeights, dataWeights, weightGradients: AlignedBuffer
    /// Reorders of images, if the kernels need another memory layout.
    private let blocking: Blocking?

    /// Reorders between channels last and the blocked layout of Winograd kernels.
    private struct Blocking {
        let intoInput, outOfInput, intoOutput, outOfOutput: ParameterReorder

        init(_ request: Request, _ context: Context) throws {
            func pair(_ shape: ImageShape) throws -> (into: ParameterReorder, out: ParameterReorder) {
                let sizes = shape.dimensions(batch: request.batch, withFrames: false)
                let (plain, blocked) = (try Layout(sizes, ONEDNN_CHANNELS_LAST), try Layout(sizes, ONEDNN_BLOCKED))
                return (
                    try ParameterReorder(request.name, from: plain, to: blocked, context),
                    try ParameterReorder(request.name, from: blocked, to: plain, context)
                )
            }
            (intoInput, outOfInput) = try pair(request.input)
            (intoOutput, outOfOutput) = try pair(request.output)
        }
    }

    var usesWinograd: Bool { blocking != nil }

    /// Creates the fastest layer whose results are accurate.
    static func make(
        _ request: Request, _ context: Context, allowsWinograd: Bool = true
    ) throws -> ConvolutionLayer {
        if allowsWinograd, request.mayUseWinograd, try isExact(request, context),
            let layer = try? ConvolutionLayer(request, winograd: true, context)
        {
            return layer
        }
        return try ConvolutionLayer(request, winograd: false, context)
    }

    /// Maximum difference between Winograd and direct convolution, relative to the largest value.
    private static let tolerance: Float = 3e-5

    /// Whether Winograd convolution agrees with direct convolution within `tolerance` on random data.
    private static func isExact(_ request: Request, _ context: Context) throws -> Bool {
        var small = request
        small.batch = 2
        guard let winograd = try? ConvolutionLayer(small, winograd: true, context) else { return false }
        let direct = try ConvolutionLayer(small, winograd: false, context)
        let random = RandomParameters()
        func matrix(_ name: String, _ rows: Int, _ columns: Int) -> Matrix {
            let values = random.uniform(name, count: rows * columns).map { 2 * $0 - 1 }
            return Matrix(Tensor(shape: [rows, columns], values: values))
        }
        let (weight, bias) = (matrix("weight", 1, request.shape.reduce(1, *)), Matrix(1, request.output.channels, 0))
        let (input, slope) = (matrix("input", 2, request.input.size), matrix("slope", 2, request.output.size))
        func results(_ layer: ConvolutionLayer) throws -> [[Float]] {
            let gradient = Matrix(1, weight.columns, 0)
            let (output, ofInput) = try withExtendedLifetime((weight, bias)) {
                (
                    try layer.forward(input, weight: weight.pointer, bias: bias.pointer),
                    try layer.backward(
                        slope, input: input, weight: weight.pointer, weightGradient: gradient.pointer,
                        biasGradient: nil)
                )
            }
            return [gradient, output, ofInput].compactMap { $0.map { Array($0.values) } }
        }
        return zip(try results(winograd), try results(direct)).allSatisfy { ours, exact in
            let largest = exact.reduce(0) { max($0, abs($1)) }
            return zip(ours, exact).allSatisfy { abs($0 - $1) <= tolerance * largest }
        }
    }

    private init(_ request: Request, winograd: Bool, _ context: Context) throws {
        self.request = request
        let name = request.name
        var shape = request.shape
        // Without a temporal window, the weights of a frame are those of an image.
        if shape.count == 5, !request.options.window.reachesOverFrames { shape.remove(at: 2) }
        var options = onednn_convolution_options(
            request.options, batch: request.batch, from: request.input, to: request.output)
        options.winograd = winograd
        func primitive(_ direction: onednn_direction) throws -> TrainingPrimitive {
            let hasBias = request.options.hasBias && direction == ONEDNN_FORWARD
            return try TrainingPrimitive(name, context) {
                onednn_convolution_training_create(context.handle, &options, hasBias, direction, $0)
            }
        }
        forward = try primitive(ONEDNN_FORWARD)
        backwardData = request.wantsInput ? try primitive(ONEDNN_BACKWARD_DATA) : nil
        backwardWeights = request.trains ? try primitive(ONEDNN_BACKWARD_WEIGHTS) : nil
        let groups = request.options.groups
        let plain = try Layout(groups > 1 ? [groups, shape[0] / groups] + shape[1...] : shape, ONEDNN_PLAIN)
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
        blocking = winograd ? try Blocking(request, context) : nil
    }

    func forward(_ input: Matrix, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?) throws -> Matrix {
        let output = Matrix(input.rows, request.output.size)
        try intoForward?.run(from: UnsafeMutableRawPointer(mutating: weight), to: forwardWeights.pointer)
        let source = try blocked(input, blocking?.intoInput)
        let destination = blocking == nil ? output : Matrix(output.rows, output.columns)
        var tensors: [(onednn_argument, UnsafeMutableRawPointer)] = [
            (ONEDNN_SOURCE, source.raw), (ONEDNN_WEIGHTS, forwardWeights.pointer),
            (ONEDNN_DESTINATION, destination.raw),
        ]
        if request.options.hasBias, let bias {
            tensors.append((ONEDNN_BIAS, UnsafeMutableRawPointer(mutating: bias)))
        }
        try forward.run(tensors)
        try blocking?.outOfOutput.run(from: destination.raw, to: output.raw)
        return output
    }

    /// Writes the gradients of trained parameters. Returns the input's gradient, if it is needed.
    func backward(
        _ gradient: Matrix, input: Matrix, weight: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>?,
        biasGradient: UnsafeMutablePointer<Float>?
    ) throws -> Matrix? {
        let slope = try blocked(gradient, blocking?.intoOutput)
        if let backwardWeights, let weightGradient {
            // The variable keeps the buffer alive: the primitive holds only its address.
            let source = try blocked(input, blocking?.intoInput)
            try withExtendedLifetime(source) {
                try backwardWeights.run([
                    (ONEDNN_SOURCE, source.raw), (ONEDNN_DIFF_DESTINATION, slope.raw),
                    (ONEDNN_DIFF_WEIGHTS, weightGradients.pointer),
                ])
            }
            try outOfBackward?.run(from: weightGradients.pointer, to: UnsafeMutableRawPointer(weightGradient))
        }
        // Computed separately, which is no slower than inside the primitive.
        if let biasGradient {
            let channels = request.output.channels
            sumColumns(gradient.pointer, count: gradient.count / channels, size: channels, into: biasGradient)
        }
        guard let backwardData else { return nil }
        let result = Matrix(input.rows, request.input.size)
        let destination = blocking == nil ? result : Matrix(result.rows, result.columns)
        try intoBackward?.run(from: UnsafeMutableRawPointer(mutating: weight), to: dataWeights.pointer)
        try backwardData.run([
            (ONEDNN_DIFF_DESTINATION, slope.raw), (ONEDNN_WEIGHTS, dataWeights.pointer),
            (ONEDNN_DIFF_SOURCE, destination.raw),
        ])
        try blocking?.outOfInput.run(from: destination.raw, to: result.raw)
        return result
    }

    private func blocked(_ images: Matrix, _ reorder: ParameterReorder?) throws -> Matrix {
        guard let reorder else { return images }
        let result = Matrix(images.rows, images.columns)
        try reorder.run(from: images.raw, to: result.raw)
        return result
    }
}

extension Matrix {
    var raw: UnsafeMutableRawPointer { UnsafeMutableRawPointer(pointer) }
}

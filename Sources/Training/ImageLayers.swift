import COneDNN
import Inference
import NeuralNetwork

/// Max or average pooling of images, forward and backward, through oneDNN, for one batch size.
final class PoolingLayer {
    private let forward, backward: TrainingPrimitive
    private let workspaceBytes: Int?
    private let inputSize, outputSize: Int

    init(
        _ name: String, _ kind: onednn_pooling_kind, _ window: Window, input: ImageShape, output: ImageShape,
        batch: Int,
        _ context: Context
    ) throws {
        var request = onednn_window(window, batch: batch, from: input, to: output)
        forward = try TrainingPrimitive(name, context) {
            onednn_pooling_training_create(context.handle, kind, &request, ONEDNN_FORWARD, $0)
        }
        backward = try TrainingPrimitive(name, context) {
            onednn_pooling_training_create(context.handle, kind, &request, ONEDNN_BACKWARD_DATA, $0)
        }
        workspaceBytes = forward.layout(ONEDNN_WORKSPACE)?.bytes
        (inputSize, outputSize) = (input.size, output.size)
    }

    /// - Returns: the output, and the workspace for the backward pass.
    func forward(_ input: Matrix) throws -> (Matrix, workspace: AlignedBuffer?) {
        let output = Matrix(input.rows, outputSize)
        let workspace = workspaceBytes.map(AlignedBuffer.init(bytes:))
        try forward.run(
            [(ONEDNN_SOURCE, input.raw), (ONEDNN_DESTINATION, output.raw)]
                + (workspace.map { [(ONEDNN_WORKSPACE, $0.pointer)] } ?? []))
        return (output, workspace)
    }

    func backward(_ gradient: Matrix, workspace: AlignedBuffer?) throws -> Matrix {
        let result = Matrix(gradient.rows, inputSize)
        try backward.run(
            [(ONEDNN_DIFF_DESTINATION, gradient.raw), (ONEDNN_DIFF_SOURCE, result.raw)]
                + (workspace.map { [(ONEDNN_WORKSPACE, $0.pointer)] } ?? []))
        return result
    }
}

/// Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167) with batch statistics, optionally fused with a ReLU,
/// for one batch size.
final class NormalizationLayer {
    private let forward, backward: TrainingPrimitive
    private let channels: Int
    private let workspaceBytes: Int?

    /// What the backward pass needs, and the batch statistics for the running statistics.
    struct State {
        let mean, variance: FloatBuffer
        let workspace: AlignedBuffer?
    }

    init(_ name: String, _ shape: ImageShape, epsilon: Float, rectifies: Bool, batch: Int, _ context: Context) throws {
        func primitive(_ direction: onednn_direction) throws -> TrainingPrimitive {
            try TrainingPrimitive(name, context) {
                onednn_normalization_training_create(
                    context.handle, Int64(batch * shape.frames), Int64(shape.channels), Int64(shape.height),
                    Int64(shape.width), epsilon, rectifies, direction, $0)
            }
        }
        forward = try primitive(ONEDNN_FORWARD)
        backward = try primitive(ONEDNN_BACKWARD_DATA)
        channels = shape.channels
        workspaceBytes = rectifies ? forward.layout(ONEDNN_WORKSPACE)?.bytes : nil
    }

    func forward(_ input: Matrix, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>) throws -> (Matrix, State) {
        let output = Matrix(input.rows, input.columns)
        let state = State(
            mean: FloatBuffer(channels), variance: FloatBuffer(channels),
            workspace: workspaceBytes.map(AlignedBuffer.init(bytes:)))
        try forward.run(
            [(ONEDNN_SOURCE, input.raw), (ONEDNN_DESTINATION, output.raw)]
                + arguments(state, scale: scale, shift: shift))
        return (output, state)
    }

    func backward(
        _ gradient: Matrix, input: Matrix, _ state: State, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
        scaleGradient: UnsafeMutablePointer<Float>, shiftGradient: UnsafeMutablePointer<Float>
    ) throws -> Matrix {
        let result = Matrix(input.rows, input.columns)
        try backward.run(
            [
                (ONEDNN_SOURCE, input.raw), (ONEDNN_DIFF_DESTINATION, gradient.raw), (ONEDNN_DIFF_SOURCE, result.raw),
                (ONEDNN_DIFF_SCALE, UnsafeMutableRawPointer(scaleGradient)),
                (ONEDNN_DIFF_SHIFT, UnsafeMutableRawPointer(shiftGradient)),
            ] + arguments(state, scale: scale, shift: shift))
        return result
    }

    private func arguments(
        _ state: State, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>
    ) -> [(onednn_argument, UnsafeMutableRawPointer)] {
        [
            (ONEDNN_MEAN, UnsafeMutableRawPointer(state.mean.pointer)),
            (ONEDNN_VARIANCE, UnsafeMutableRawPointer(state.variance.pointer)),
            (ONEDNN_SCALE, UnsafeMutableRawPointer(mutating: scale)),
            (ONEDNN_SHIFT, UnsafeMutableRawPointer(mutating: shift)),
        ] + (state.workspace.map { [(ONEDNN_WORKSPACE, $0.pointer)] } ?? [])
    }
}

enum ChannelScaleLayer {
    /// - `scales`: `[image, channel]`.
    static func forward(_ input: Matrix, scales: Matrix) -> Matrix {
        let output = Matrix(input.rows, input.columns)
        forEachPixel(input, channels: scales.columns) { start, first in
            for channel in 0..<scales.columns {
                output.pointer[start + channel] = input.pointer[start + channel] * scales.pointer[first + channel]
            }
        }
        return output
    }

    static func backward(_ gradient: Matrix, input: Matrix, scales: Matrix) -> (input: Matrix, scales: Matrix) {
        let (ofInput, ofScales) = (Matrix(input.rows, input.columns), Matrix(scales.rows, scales.columns, 0))
        forEachPixel(input, channels: scales.columns) { start, first in
            for channel in 0..<scales.columns {
                let slope = gradient.pointer[start + channel]
                ofInput.pointer[start + channel] = slope * scales.pointer[first + channel]
                ofScales.pointer[first + channel] += slope * input.pointer[start + channel]
            }
        }
        return (ofInput, ofScales)
    }

    /// Calls `body` with the index of each pixel's first element and that of its image's first scale.
    private static func forEachPixel(_ input: Matrix, channels: Int, _ body: (_ start: Int, _ first: Int) -> Void) {
        for row in 0..<input.rows {
            for start in stride(from: row * input.columns, to: (row + 1) * input.columns, by: channels) {
                body(start, row * channels)
            }
        }
    }
}

enum ConcatenationLayer {
    static func forward(_ inputs: [Matrix], pixels: Int) -> Matrix {
        let channels = inputs.map { $0.columns / pixels }
        let all = channels.reduce(0, +)
        let output = Matrix(inputs[0].rows, all * pixels)
        var offset = 0
        for (input, own) in zip(inputs, channels) {
            for pixel in 0..<input.rows * pixels {
                (output.pointer + pixel * all + offset).update(from: input.pointer + pixel * own, count: own)
            }
            offset += own
        }
        return output
    }

    static func backward(_ gradient: Matrix, channels: [Int], pixels: Int) -> [Matrix] {
        let all = channels.reduce(0, +)
        var offset = 0
        return channels.map { own in
            let result = Matrix(gradient.rows, own * pixels)
            for pixel in 0..<gradient.rows * pixels {
                (result.pointer + pixel * own).update(from: gradient.pointer + pixel * all + offset, count: own)
            }
            offset += own
            return result
        }
    }
}

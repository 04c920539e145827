import NeuralNetwork

/// Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, Carreira and Zisserman 2017 (arXiv:1705.07750):
/// the RGB stream. Inception V1 inflated to 3-D. Padding is TensorFlow's `SAME`; parameter names are those of the
/// PyTorch conversion (`Mixed_3b.b1b.conv3d.weight`).
struct I3D: Sendable {
    var classes = 400

    init() {}

    private static let names = [
        "MaxPool3d_3a_3x3", "Mixed_3b", "Mixed_3c", "MaxPool3d_4a_3x3", "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e",
        "Mixed_4f", "MaxPool3d_5a_2x2", "Mixed_5b", "Mixed_5c",
    ]

    /// Outputs `spatial` `[1024, 1, size / 32, size / 32]`, the mean over frames; `pooled` `[1024]`, the temporal mean
    /// of the published features; `logits`, the temporal mean of the published scores.
    func graph(imageSize: Int, frames: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.clip(frames, imageSize)
        x = unit(&builder, "Conv3d_1a_7x7", x, channels: 64, kernel: 7, stride: 2)
        x = pooling(&builder, "MaxPool3d_2a_3x3", x, kernel: (1, 3), stride: (1, 2))
        x = unit(&builder, "Conv3d_2b_1x1", x, channels: 64, kernel: 1)
        x = unit(&builder, "Conv3d_2c_3x3", x, channels: 192, kernel: 3)
        for (name, step) in zip(Self.names, InceptionStep.all) {
            switch step {
            case .pooling(let kernel, let stride): x = pooling(&builder, name, x, kernel: kernel, stride: stride)
            case .mixed(let channels): x = mixed(&builder, name, x, channels)
            }
        }
        return builder.windowed(x, pooling: "avg_pool", classifier: "logits.conv3d", classes: classes)
    }

    private func mixed(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: InceptionChannels
    ) -> Graph.NodeID {
        let first = unit(&builder, "\(name).b0", input, channels: channels.single, kernel: 1)
        var second = unit(&builder, "\(name).b1a", input, channels: channels.reduced, kernel: 1)
        second = unit(&builder, "\(name).b1b", second, channels: channels.wide, kernel: 3)
        var third = unit(&builder, "\(name).b2a", input, channels: channels.reducedSmall, kernel: 1)
        third = unit(&builder, "\(name).b2b", third, channels: channels.small, kernel: 3)
        var fourth = pooling(&builder, "\(name).b3a", input, kernel: (3, 3), stride: (1, 1))
        fourth = unit(&builder, "\(name).b3b", fourth, channels: channels.pooled, kernel: 1)
        return builder.concatenation(name, [first, second, third, fourth])
    }

    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, channels: Int, kernel: Int,
        stride: Int = 1
    ) -> Graph.NodeID {
        let window = same(builder.shape(of: input), kernel: (kernel, kernel), stride: (stride, stride))
        let x = builder.unit(name + ".conv3d", name + ".bn", input, channels, window, epsilon: 1e-3)
        return builder.activation(.relu, x)
    }

    /// Zero padding, as published, is equivalent because no activation is negative.
    private func pooling(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, kernel: (Int, Int), stride: (Int, Int)
    ) -> Graph.NodeID {
        builder.maxPooling(name, input, same(builder.shape(of: input), kernel: kernel, stride: stride))
    }

    /// A window of (frames, pixels), padded to output input / stride; the end has the larger part of the padding.
    private func same(_ shape: Graph.Shape, kernel: (Int, Int), stride: (Int, Int)) -> Window {
        guard case .clip(_, let frames, let height, let width) = shape else { return Window(kernel: Extent(kernel.1)) }
        func padding(_ size: Int, _ kernel: Int, _ stride: Int) -> (before: Int, after: Int) {
            let all = max(kernel - (size % stride == 0 ? stride : size % stride), 0)
            return (all / 2, all - all / 2)
        }
        let (time, row, column) = (
            padding(frames, kernel.0, stride.0), padding(height, kernel.1, stride.1), padding(width, kernel.1, stride.1)
        )
        return Window(
            kernel: Extent(kernel.1), stride: Extent(stride.1), padding: Extent(row.before, column.before),
            trailing: Extent(row.after, column.after),
            time: TimeWindow(kernel: kernel.0, stride: stride.0, padding: time.before, trailing: time.after))
    }
}

import NeuralNetwork

/// Inception V1 (Szegedy et al. 2014, arXiv:1409.4842) inflated to 3-D.
struct VideoInception: Sendable {
    enum Variant {
        /// Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset, Carreira and Zisserman 2017
        /// (arXiv:1705.07750): the RGB stream. Padding is TensorFlow's `SAME`; parameter names are those of the PyTorch
        /// conversion (`Mixed_3b.b1b.conv3d.weight`).
        case i3d
        /// Rethinking Spatiotemporal Feature Learning, Xie, Sun, Huang, Tu, Murphy 2018 (arXiv:1712.04851), without
        /// gating: each 3-D convolution is factorised into a spatial and a temporal one, as in torchvision; parameter
        /// names are torchvision's.
        case s3d
    }

    private enum Step {
        case convolution(Int, kernel: Int, stride: Int)
        /// Sizes are (frames, pixels).
        case pooling(kernel: (Int, Int), stride: (Int, Int))
        /// A block of four branches: the channels of the 1×1 branch, of the 3×3 branch (reduction, then output), of the
        /// second 3×3 branch, the paper's 5×5, and of the pooled branch.
        case mixed(Int, (Int, Int), (Int, Int), Int)
    }

    /// All steps, with I3D's names. (Table 1 of Inception V1.)
    private static let steps: [(String, Step)] = [
        ("Conv3d_1a_7x7", .convolution(64, kernel: 7, stride: 2)),
        ("MaxPool3d_2a_3x3", .pooling(kernel: (1, 3), stride: (1, 2))),
        ("Conv3d_2b_1x1", .convolution(64, kernel: 1, stride: 1)),
        ("Conv3d_2c_3x3", .convolution(192, kernel: 3, stride: 1)),
        ("MaxPool3d_3a_3x3", .pooling(kernel: (1, 3), stride: (1, 2))),
        ("Mixed_3b", .mixed(64, (96, 128), (16, 32), 32)), ("Mixed_3c", .mixed(128, (128, 192), (32, 96), 64)),
        ("MaxPool3d_4a_3x3", .pooling(kernel: (3, 3), stride: (2, 2))),
        ("Mixed_4b", .mixed(192, (96, 208), (16, 48), 64)), ("Mixed_4c", .mixed(160, (112, 224), (24, 64), 64)),
        ("Mixed_4d", .mixed(128, (128, 256), (24, 64), 64)), ("Mixed_4e", .mixed(112, (144, 288), (32, 64), 64)),
        ("Mixed_4f", .mixed(256, (160, 320), (32, 128), 128)),
        ("MaxPool3d_5a_2x2", .pooling(kernel: (2, 2), stride: (2, 2))),
        ("Mixed_5b", .mixed(256, (160, 320), (32, 128), 128)), ("Mixed_5c", .mixed(384, (192, 384), (48, 128), 128)),
    ]

    let variant: Variant

    init(_ variant: Variant) { self.variant = variant }

    /// Outputs `spatial` `[1024, 1, size / 32, size / 32]`, the mean over frames; the means over windows of 2 × 7 × 7:
    /// `pooled` `[1024]`, the temporal mean of I3D's published features, and `logits`.
    func graph(imageSize: Int, frames: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.clip(frames, imageSize)
        for (place, (name, step)) in Self.steps.enumerated() {
            let name = variant == .i3d ? name : "features.\(place)"
            switch step {
            case .convolution(let channels, let kernel, let stride):
                x = unit(&builder, name, x, channels, kernel: kernel, stride: stride)
            case .pooling(let kernel, let stride): x = pooling(&builder, name, x, kernel: kernel, stride: stride)
            case .mixed(let single, let wide, let small, let pooled):
                x = mixed(&builder, name, x, single, wide, small, pooled)
            }
        }
        let head = Window(kernel: Extent(7), time: TimeWindow(kernel: 2))
        let means = builder.averagePooling(variant == .i3d ? "avg_pool" : "avgpool", x, head, countsPadding: true)
        let pooled = builder.globalAveragePooling("mean", means)
        let options = Convolution(outChannels: 400, window: Window(kernel: Extent(1)), hasBias: true)
        let scores = builder.convolution(variant == .i3d ? "logits.conv3d" : "classifier.1", means, options)
        let logits = builder.globalAveragePooling("logits", scores)
        return builder.build(outputs: ["spatial": builder.meanOverFrames(x), "pooled": pooled, "logits": logits])
    }

    private func mixed(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ single: Int, _ wide: (Int, Int),
        _ small: (Int, Int), _ pooled: Int
    ) -> Graph.NodeID {
        func part(_ branch: Int, _ index: Int) -> String {
            variant == .i3d ? "\(name).b\(branch)\(["a", "b"][index])" : "\(name).branch\(branch).\(index)"
        }
        func branch(_ number: Int, _ channels: (Int, Int)) -> Graph.NodeID {
            let x = unit(&builder, part(number, 0), input, channels.0, kernel: 1)
            return unit(&builder, part(number, 1), x, channels.1, kernel: 3)
        }
        let first = unit(&builder, name + (variant == .i3d ? ".b0" : ".branch0"), input, single, kernel: 1)
        let (second, third) = (branch(1, wide), branch(2, small))
        let most = pooling(&builder, part(3, 0), input, kernel: (3, 3), stride: (1, 1))
        return builder.concatenation(name, [first, second, third, unit(&builder, part(3, 1), most, pooled, kernel: 1)])
    }

    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: Int, kernel: Int,
        stride: Int = 1
    ) -> Graph.NodeID {
        func unit(_ name: String, _ input: Graph.NodeID, _ window: Window) -> Graph.NodeID {
            let parts = variant == .i3d ? (name + ".conv3d", name + ".bn") : (name + ".0", name + ".1")
            return builder.activation(.relu, builder.unit(parts.0, parts.1, input, channels, window, epsilon: 1e-3))
        }
        if variant == .i3d {
            return unit(name, input, same(builder.shape(of: input), kernel: (kernel, kernel), stride: (stride, stride)))
        }
        let space = Window(kernel: Extent(kernel), stride: Extent(stride), padding: Extent(kernel / 2))
        if kernel == 1 { return unit(name, input, space) }
        return unit(name + ".1", unit(name + ".0", input, space), .overTime(kernel: kernel, stride: stride))
    }

    /// I3D's padding with zeros, as published, is equivalent because no activation is negative. In S3D sizes of 3 are
    /// padded.
    private func pooling(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, kernel: (Int, Int), stride: (Int, Int)
    ) -> Graph.NodeID {
        let time = TimeWindow(kernel: kernel.0, stride: stride.0, padding: kernel.0 == 3 ? 1 : 0)
        let padding = Extent(kernel.1 == 3 ? 1 : 0)
        let window =
            variant == .i3d
            ? same(builder.shape(of: input), kernel: kernel, stride: stride)
            : Window(kernel: Extent(kernel.1), stride: Extent(stride.1), padding: padding, time: time)
        return builder.maxPooling(name, input, window)
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

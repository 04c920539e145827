import NeuralNetwork

/// Rethinking Spatiotemporal Feature Learning, Xie, Sun, Huang, Tu, Murphy 2018 (arXiv:1712.04851), without gating.
/// Inception V1 with each 3-D convolution factorised into a spatial and a temporal one, as in torchvision; parameter
/// names are torchvision's.
struct S3D: Sendable {
    var classes = 400

    init() {}

    /// Outputs `spatial` `[1024, 1, size / 32, size / 32]`, the mean over frames, `pooled` `[1024]`, `logits`.
    func graph(imageSize: Int, frames: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.clip(frames, imageSize)
        x = separable(&builder, "features.0", x, channels: 64, kernel: 7, stride: 2)
        x = pooling(&builder, "features.1", x, kernel: (1, 3), stride: (1, 2))
        x = unit(&builder, "features.2", x, channels: 64, Window(kernel: Extent(1)))
        x = separable(&builder, "features.3", x, channels: 192, kernel: 3, stride: 1)
        for (place, step) in InceptionStep.all.enumerated() {
            let name = "features.\(place + 4)"
            switch step {
            case .pooling(let kernel, let stride): x = pooling(&builder, name, x, kernel: kernel, stride: stride)
            case .mixed(let channels): x = mixed(&builder, name, x, channels)
            }
        }
        return builder.windowed(x, pooling: "avgpool", classifier: "classifier.1", classes: classes)
    }

    private func mixed(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: InceptionChannels
    ) -> Graph.NodeID {
        let single = Window(kernel: Extent(1))
        func branch(_ number: Int, _ middle: Int, _ out: Int) -> Graph.NodeID {
            let x = unit(&builder, "\(name).branch\(number).0", input, channels: middle, single)
            return separable(&builder, "\(name).branch\(number).1", x, channels: out, kernel: 3, stride: 1)
        }
        let first = unit(&builder, "\(name).branch0", input, channels: channels.single, single)
        let second = branch(1, channels.reduced, channels.wide)
        let third = branch(2, channels.reducedSmall, channels.small)
        let most = pooling(&builder, "\(name).branch3.0", input, kernel: (3, 3), stride: (1, 1))
        let fourth = unit(&builder, "\(name).branch3.1", most, channels: channels.pooled, single)
        return builder.concatenation(name, [first, second, third, fourth])
    }

    private func separable(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, channels: Int, kernel: Int, stride: Int
    ) -> Graph.NodeID {
        let space = Window(kernel: Extent(kernel), stride: Extent(stride), padding: Extent(kernel / 2))
        let x = unit(&builder, name + ".0", input, channels: channels, space)
        return unit(&builder, name + ".1", x, channels: channels, .overTime(kernel: kernel, stride: stride))
    }

    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, channels: Int, _ window: Window
    ) -> Graph.NodeID {
        builder.activation(.relu, builder.unit(name + ".0", name + ".1", input, channels, window, epsilon: 1e-3))
    }

    /// Sizes are (frames, pixels); those of 3 are padded.
    private func pooling(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, kernel: (Int, Int), stride: (Int, Int)
    ) -> Graph.NodeID {
        let time = TimeWindow(kernel: kernel.0, stride: stride.0, padding: kernel.0 == 3 ? 1 : 0)
        let padding = Extent(kernel.1 == 3 ? 1 : 0)
        let window = Window(kernel: Extent(kernel.1), stride: Extent(stride.1), padding: padding, time: time)
        return builder.maxPooling(name, input, window)
    }
}

/// Channels of the four branches of an Inception V1 block (Szegedy et al. 2014, arXiv:1409.4842, table 1).
struct InceptionChannels {
    /// Of the 1×1 branch.
    let single: Int
    /// Of the 3×3 branch: reduction, then output.
    let reduced, wide: Int
    /// Of the second 3×3 branch, the paper's 5×5: reduction, then output.
    let reducedSmall, small: Int
    let pooled: Int
}

/// Inception V1 after its first three convolutions, inflated to 3-D: sizes are (frames, pixels).
enum InceptionStep {
    case pooling(kernel: (Int, Int), stride: (Int, Int))
    case mixed(InceptionChannels)

    private static func block(_ single: Int, _ wide: (Int, Int), _ small: (Int, Int), _ pooled: Int) -> InceptionStep {
        .mixed(
            .init(
                single: single, reduced: wide.0, wide: wide.1, reducedSmall: small.0, small: small.1, pooled: pooled))
    }

    static let all: [InceptionStep] = [
        .pooling(kernel: (1, 3), stride: (1, 2)), block(64, (96, 128), (16, 32), 32),
        block(128, (128, 192), (32, 96), 64), .pooling(kernel: (3, 3), stride: (2, 2)),
        block(192, (96, 208), (16, 48), 64), block(160, (112, 224), (24, 64), 64),
        block(128, (128, 256), (24, 64), 64), block(112, (144, 288), (32, 64), 64),
        block(256, (160, 320), (32, 128), 128), .pooling(kernel: (2, 2), stride: (2, 2)),
        block(256, (160, 320), (32, 128), 128), block(384, (192, 384), (48, 128), 128),
    ]
}

extension GraphBuilder {
    /// Outputs `spatial`, the mean over frames, and the means over windows of 2 × 7 × 7: `pooled` and `logits`.
    mutating func windowed(_ x: NodeID, pooling: String, classifier: String, classes: Int) -> Graph {
        let head = Window(kernel: Extent(7), time: TimeWindow(kernel: 2))
        let means = averagePooling(pooling, x, head, countsPadding: true)
        let pooled = globalAveragePooling("mean", means)
        let options = Convolution(outChannels: classes, window: Window(kernel: Extent(1)), hasBias: true)
        let logits = globalAveragePooling("logits", convolution(classifier, means, options))
        return build(outputs: ["spatial": meanOverFrames(x), "pooled": pooled, "logits": logits])
    }
}

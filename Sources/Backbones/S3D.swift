import NeuralNetwork

/// Rethinking Spatiotemporal Feature Learning, Xie, Sun, Huang, Tu, Murphy 2018 (arXiv:1712.04851), without gating.
/// Inception V1 with each 3-D convolution factorised into a spatial and a temporal one, as in torchvision; parameter
/// names are torchvision's.
struct S3D: Sendable {
    var classes = 400
    private static let epsilon: Float = 1e-3

    init() {}

    private enum Step {
        case pooling(kernel: (Int, Int), stride: (Int, Int), padding: (Int, Int))
        case mixed(InceptionChannels)
    }

    /// From `features.4`.
    private static let steps: [Step] = [
        .pooling(kernel: (1, 3), stride: (1, 2), padding: (0, 1)), .mixed(.m3b), .mixed(.m3c),
        .pooling(kernel: (3, 3), stride: (2, 2), padding: (1, 1)), .mixed(.m4b), .mixed(.m4c), .mixed(.m4d),
        .mixed(.m4e), .mixed(.m4f), .pooling(kernel: (2, 2), stride: (2, 2), padding: (0, 0)), .mixed(.m5b),
        .mixed(.m5c),
    ]

    /// Outputs `spatial` `[1024, 1, size / 32, size / 32]`, the mean over frames, `pooled` `[1024]`, `logits`.
    func graph(imageSize: Int, frames: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.clip(frames, imageSize)
        x = separable(&builder, "features.0", x, channels: 64, kernel: 7, stride: 2)
        x = pooling(&builder, "features.1", x, kernel: (1, 3), stride: (1, 2), padding: (0, 1))
        x = unit(&builder, "features.2", x, channels: 64, Window(kernel: Extent(1)))
        x = separable(&builder, "features.3", x, channels: 192, kernel: 3, stride: 1)
        for (place, step) in Self.steps.enumerated() {
            let name = "features.\(place + 4)"
            switch step {
            case .pooling(let kernel, let stride, let padding):
                x = pooling(&builder, name, x, kernel: kernel, stride: stride, padding: padding)
            case .mixed(let channels): x = mixed(&builder, name, x, channels)
            }
        }
        let head = Window(kernel: Extent(7), time: TimeWindow(kernel: 2))
        let means = builder.averagePooling("avgpool", x, head, countsPadding: true)
        let pooled = builder.globalAveragePooling("mean", means)
        let scores = builder.convolution(
            "classifier.1", means, Convolution(outChannels: classes, window: Window(kernel: Extent(1)), hasBias: true))
        let logits = builder.globalAveragePooling("logits", scores)
        return builder.build(outputs: ["spatial": builder.meanOverFrames(x), "pooled": pooled, "logits": logits])
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
        let most = pooling(&builder, "\(name).branch3.0", input, kernel: (3, 3), stride: (1, 1), padding: (1, 1))
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
        let x = builder.convolution(name + ".0", input, Convolution(outChannels: channels, window: window))
        return builder.activation(.relu, builder.batchNormalization(name + ".1", x, epsilon: Self.epsilon))
    }

    /// Sizes are (frames, pixels).
    private func pooling(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, kernel: (Int, Int), stride: (Int, Int),
        padding: (Int, Int)
    ) -> Graph.NodeID {
        builder.maxPooling(
            name, input,
            Window(
                kernel: Extent(kernel.1), stride: Extent(stride.1), padding: Extent(padding.1),
                time: TimeWindow(kernel: kernel.0, stride: stride.0, padding: padding.0)))
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

    private init(_ single: Int, _ reduced: Int, _ wide: Int, _ reducedSmall: Int, _ small: Int, _ pooled: Int) {
        (self.single, self.reduced, self.wide) = (single, reduced, wide)
        (self.reducedSmall, self.small, self.pooled) = (reducedSmall, small, pooled)
    }

    static let m3b = InceptionChannels(64, 96, 128, 16, 32, 32)
    static let m3c = InceptionChannels(128, 128, 192, 32, 96, 64)
    static let m4b = InceptionChannels(192, 96, 208, 16, 48, 64)
    static let m4c = InceptionChannels(160, 112, 224, 24, 64, 64)
    static let m4d = InceptionChannels(128, 128, 256, 24, 64, 64)
    static let m4e = InceptionChannels(112, 144, 288, 32, 64, 64)
    static let m4f = InceptionChannels(256, 160, 320, 32, 128, 128)
    static let m5b = InceptionChannels(256, 160, 320, 32, 128, 128)
    static let m5c = InceptionChannels(384, 192, 384, 48, 128, 128)
}

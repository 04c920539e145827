import NeuralNetwork

/// A Closer Look at Spatiotemporal Convolutions for Action Recognition, Tran et al. 2018 (arXiv:1711.11248). 3-D
/// ResNet-18 as in torchvision; parameter names are torchvision's.
struct VideoResNet: Sendable {
    /// The temporal convolutions of the paper's networks.
    enum Variant: String, CaseIterable, Sendable {
        /// 3×3×3 everywhere.
        case r3d = "r3d_18"
        /// 3×3×3 in the first stage, 2-D in later stages.
        case mc3 = "mc3_18"
        /// 1×3×3, then 3×1×1, with as many parameters as 3×3×3.
        case r2plus1d = "r2plus1d_18"

        /// Whether a stage has temporal convolutions; stages count from 0.
        func reachesOverFrames(stage: Int) -> Bool { self != .mc3 || stage == 0 }
    }

    let variant: Variant
    var classes = 400
    private static let blocks = 2

    init(_ variant: Variant) { self.variant = variant }

    /// Outputs `spatial` `[512, 1, size / 16, size / 16]`, the mean over frames, `pooled` `[512]`, `logits`.
    func graph(imageSize: Int, frames: Int) -> Graph {
        var builder = GraphBuilder()
        let input = builder.clip(frames, imageSize)
        var x = stem(&builder, input)
        for stage in 0..<4 {
            for block in 0..<Self.blocks {
                x = self.block(&builder, "layer\(stage + 1).\(block)", x, stage: stage, isFirst: block == 0)
            }
        }
        let pooled = builder.globalAveragePooling("avgpool", x)
        let logits = builder.linear("fc", pooled, out: classes)
        return builder.build(outputs: ["spatial": builder.meanOverFrames(x), "pooled": pooled, "logits": logits])
    }

    private func stem(_ builder: inout GraphBuilder, _ input: Graph.NodeID) -> Graph.NodeID {
        let spatial = Window(kernel: Extent(7), stride: Extent(2), padding: Extent(3))
        if variant == .r2plus1d {
            var x = builder.unit("stem.0", "stem.1", input, 45, spatial)
            x = builder.activation(.relu, x)
            x = builder.unit("stem.3", "stem.4", x, 64, .overTime())
            return builder.activation(.relu, x)
        }
        let whole = spatial.reaching(TimeWindow(kernel: 3, padding: 1))
        return builder.activation(.relu, builder.unit("stem.0", "stem.1", input, 64, whole))
    }

    private func block(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, stage: Int, isFirst: Bool
    ) -> Graph.NodeID {
        let channels = 64 << stage
        let stride = stage > 0 && isFirst ? 2 : 1
        let inChannels = isFirst && stage > 0 ? channels / 2 : channels
        // Both convolutions of a block use the intermediate channels of the first, which match the parameter count of a
        // 3-D convolution.
        let middle = 27 * inChannels * channels / (9 * inChannels + 3 * channels)
        var x = convolution(&builder, "\(name).conv1", input, channels, middle: middle, stage: stage, stride: stride)
        x = builder.activation(.relu, x)
        x = convolution(&builder, "\(name).conv2", x, channels, middle: middle, stage: stage, stride: 1, scale: 0.25)
        var identity = input
        if stride > 1 {
            let time = TimeWindow(kernel: 1, stride: variant.reachesOverFrames(stage: stage) ? 2 : 1)
            identity = builder.unit(
                "\(name).downsample.0", "\(name).downsample.1", input, channels,
                Window(kernel: Extent(1), stride: Extent(2)).reaching(time))
        }
        return builder.activation(.relu, builder.add("\(name).add", x, identity))
    }

    /// Spatial convolution, a temporal one if the stage has it, and batch normalisation.
    private func convolution(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: Int, middle: Int,
        stage: Int, stride: Int, scale: Float = 1
    ) -> Graph.NodeID {
        let spatial = Window(kernel: Extent(3), stride: Extent(stride), padding: Extent(1))
        if variant == .r2plus1d {
            var x = builder.unit("\(name).0.0", "\(name).0.1", input, middle, spatial)
            x = builder.activation(.relu, x)
            return builder.unit("\(name).0.3", "\(name).1", x, channels, .overTime(stride: stride), scale: scale)
        }
        let time = variant.reachesOverFrames(stage: stage) ? TimeWindow(kernel: 3, stride: stride, padding: 1) : .frame
        return builder.unit("\(name).0", "\(name).1", input, channels, spatial.reaching(time), scale: scale)
    }
}

extension Window {
    /// A temporal 3×1×1 window.
    static func overTime(kernel: Int = 3, stride: Int = 1) -> Window {
        Window(kernel: Extent(1)).reaching(TimeWindow(kernel: kernel, stride: stride, padding: kernel / 2))
    }

    func reaching(_ time: TimeWindow) -> Window {
        Window(kernel: kernel, stride: stride, padding: leading, trailing: trailing, dilation: dilation, time: time)
    }
}

extension GraphBuilder {
    mutating func meanOverFrames(_ input: NodeID) -> NodeID {
        guard case .clip(_, let frames, _, _) = shape(of: input) else { return input }
        let all = Window(kernel: Extent(1)).reaching(TimeWindow(kernel: frames, stride: frames))
        return averagePooling("spatial", input, all, countsPadding: false)
    }
}

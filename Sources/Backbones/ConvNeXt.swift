import NeuralNetwork

/// A ConvNet for the 2020s, Liu et al. 2022 (arXiv:2201.03545), and ConvNeXt V2, Woo et al. 2023 (arXiv:2301.00808),
/// which replaces layer scale with global response normalisation. Parameter names are timm's. `pooled` is the
/// classifier's input: the normalised mean over the feature map.
struct ConvNeXt: Sendable {
    /// Blocks in each of the four stages, and their channels.
    package enum Size: String, CaseIterable, Sendable {
        case tiny, small, base, large

        var blocks: [Int] { self == .tiny ? [3, 3, 9, 3] : [3, 3, 27, 3] }

        /// Channels of the first stage; each later stage doubles them.
        var channels: Int {
            switch self {
            case .tiny, .small: 96
            case .base: 128
            case .large: 192
            }
        }
    }

    let size: Size
    /// 1 or 2.
    let version: Int
    private static let epsilon: Float = 1e-6

    init(_ size: Size, version: Int) { (self.size, self.version) = (size, version) }

    /// Outputs `spatial` and `pooled` (768 to 1,536 channels), `logits`.
    func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        x = patches(&builder, "stem.0", x, channels: size.channels, side: 4)
        x = normalized(&builder, "stem.1", x)
        for (stage, blocks) in size.blocks.enumerated() {
            if stage > 0 {
                x = normalized(&builder, "stages.\(stage).downsample.0", x)
                x = patches(&builder, "stages.\(stage).downsample.1", x, channels: size.channels << stage, side: 2)
            }
            for block in 0..<blocks { x = self.block(&builder, "stages.\(stage).blocks.\(block)", x) }
        }
        let pooled = normalized(&builder, "head.norm", builder.globalAveragePooling("head.global_pool", x))
        let logits = builder.linear("head.fc", pooled, out: 1000)
        return builder.build(outputs: ["spatial": x, "pooled": pooled, "logits": logits])
    }

    private func block(_ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID) -> Graph.NodeID {
        let channels = builder.shape(of: input).rowSize
        let window = Window(kernel: Extent(7), padding: Extent(3))
        var x = builder.convolution(
            name + ".conv_dw", input,
            Convolution(outChannels: channels, window: window, groups: channels, hasBias: true))
        x = normalized(&builder, name + ".norm", x)
        x = builder.activation(.gelu, builder.linear(name + ".mlp.fc1", x, out: 4 * channels))
        if version == 2 { x = builder.responseNormalization(name + ".mlp.grn", x) }
        x = builder.linear(name + ".mlp.fc2", x, out: channels)
        if version == 1 { x = builder.channelScale(name + ".gamma", x) }
        return builder.add(name + ".add", x, input)
    }

    /// A convolution with non-overlapping windows.
    private func patches(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, channels: Int, side: Int
    ) -> Graph.NodeID {
        let window = Window(kernel: Extent(side), stride: Extent(side))
        return builder.convolution(name, input, Convolution(outChannels: channels, window: window, hasBias: true))
    }

    private func normalized(_ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID) -> Graph.NodeID {
        builder.layerNormalization(name, input, epsilon: Self.epsilon, spread: 0.2)
    }
}

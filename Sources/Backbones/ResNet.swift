import NeuralNetwork

/// Deep Residual Learning for Image Recognition, He, Zhang, Ren, Sun 2015 (arXiv:1512.03385), as torchvision's "v1.5":
/// a bottleneck's stride is in the 3×3 convolution, in the paper in the first 1×1. Parameter names are torchvision's.
package struct ResNet: Sendable {
    /// Blocks in each of the four stages, and whether they are bottlenecks.
    package enum Depth: Int, CaseIterable, Sendable {
        case resnet18 = 18, resnet34 = 34, resnet50 = 50, resnet101 = 101, resnet152 = 152

        var blocks: [Int] {
            switch self {
            case .resnet18: [2, 2, 2, 2]
            case .resnet34, .resnet50: [3, 4, 6, 3]
            case .resnet101: [3, 4, 23, 3]
            case .resnet152: [3, 8, 36, 3]
            }
        }

        var isBottleneck: Bool { rawValue >= 50 }

        /// Ratio of a block's output channels to its inner channels.
        var expansion: Int { isBottleneck ? 4 : 1 }
    }

    package let depth: Depth
    package var classes = 1000

    package init(_ depth: Depth) { self.depth = depth }

    /// Outputs `spatial` `[512 or 2048, size / 32, size / 32]`, `pooled` `[512 or 2048]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        x = unit(&builder, "conv1", "bn1", x, channels: 64, kernel: 7, stride: 2)
        x = builder.activation(.relu, x)
        x = builder.maxPooling("maxpool", x, Window(kernel: Extent(3), stride: Extent(2), padding: Extent(1)))
        for (stage, blocks) in depth.blocks.enumerated() {
            for block in 0..<blocks {
                let name = "layer\(stage + 1).\(block)"
                let stride = stage > 0 && block == 0 ? 2 : 1
                x = self.block(&builder, name, x, width: 64 << stage, stride: stride, isFirst: block == 0)
            }
        }
        return builder.classifier(x, pooling: "avgpool", linear: "fc", classes: classes)
    }

    private func block(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, width: Int, stride: Int, isFirst: Bool
    ) -> Graph.NodeID {
        // (channels, kernel, stride) of each convolution.
        let layers =
            depth.isBottleneck
            ? [(width, 1, 1), (width, 3, stride), (width * 4, 1, 1)] : [(width, 3, stride), (width, 3, 1)]
        var x = input
        for (index, layer) in layers.enumerated() {
            let isLast = index == layers.count - 1
            x = unit(
                &builder, "\(name).conv\(index + 1)", "\(name).bn\(index + 1)", x,
                channels: layer.0, kernel: layer.1, stride: layer.2, scale: isLast ? 0.25 : 1)
            if !isLast { x = builder.activation(.relu, x) }
        }
        var identity = input
        if isFirst, stride > 1 || builder.shape(of: input) != builder.shape(of: x) {
            identity = unit(
                &builder, "\(name).downsample.0", "\(name).downsample.1", input,
                channels: width * depth.expansion, kernel: 1, stride: stride)
        }
        return builder.activation(.relu, builder.add("\(name).add", x, identity))
    }

    private func unit(
        _ builder: inout GraphBuilder, _ convolution: String, _ normalization: String, _ input: Graph.NodeID,
        channels: Int, kernel: Int, stride: Int, scale: Float = 1
    ) -> Graph.NodeID {
        let window = Window(kernel: Extent(kernel), stride: Extent(stride), padding: Extent(kernel / 2))
        return builder.unit(convolution, normalization, input, channels, window, scale: scale)
    }
}

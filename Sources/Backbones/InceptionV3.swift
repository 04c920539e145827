import NeuralNetwork

/// Rethinking the Inception Architecture for Computer Vision, Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015
/// (arXiv:1512.00567), without the auxiliary classifier. torchvision and Keras have the same topology. Keras' batch
/// normalisation has no scale, and its average pooling excludes the padding; torchvision's differ in both. Parameter
/// names are torchvision's.
package struct InceptionV3: Sendable {
    package let numerics: Numerics

    package init(_ numerics: Numerics) { self.numerics = numerics }

    /// Outputs `spatial` `[2048, 8, 8]` at 299 pixels, `pooled` `[2048]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        x = unit(&builder, "Conv2d_1a_3x3", x, 32, 3, stride: 2, padding: Extent(0))
        x = unit(&builder, "Conv2d_2a_3x3", x, 32, 3, padding: Extent(0))
        x = unit(&builder, "Conv2d_2b_3x3", x, 64, 3)
        x = builder.maxPooling("maxpool1", x, Self.reduction)
        x = unit(&builder, "Conv2d_3b_1x1", x, 80, 1)
        x = unit(&builder, "Conv2d_4a_3x3", x, 192, 3, padding: Extent(0))
        x = builder.maxPooling("maxpool2", x, Self.reduction)
        for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            x = blockA(&builder, name, x, pooled: pooled)
        }
        x = blockB(&builder, "Mixed_6a", x)
        for (name, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            x = blockC(&builder, name, x, width: width)
        }
        x = blockD(&builder, "Mixed_7a", x)
        for name in ["Mixed_7b", "Mixed_7c"] { x = blockE(&builder, name, x) }
        return builder.classifier(x, pooling: "avgpool", linear: "fc")
    }

    // MARK: - Blocks, with branches in the order in which both implementations concatenate them

    private func blockA(_ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID, pooled: Int) -> Graph.NodeID {
        let one = unit(&builder, "\(name).branch1x1", x, 64, 1)
        var five = unit(&builder, "\(name).branch5x5_1", x, 48, 1)
        five = unit(&builder, "\(name).branch5x5_2", five, 64, 5)
        var three = unit(&builder, "\(name).branch3x3dbl_1", x, 64, 1)
        three = unit(&builder, "\(name).branch3x3dbl_2", three, 96, 3)
        three = unit(&builder, "\(name).branch3x3dbl_3", three, 96, 3)
        let pool = pooledBranch(&builder, name, x, pooled)
        return builder.concatenation(name, [one, five, three, pool])
    }

    private func blockB(_ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID) -> Graph.NodeID {
        let one = unit(&builder, "\(name).branch3x3", x, 384, 3, stride: 2, padding: Extent(0))
        var two = unit(&builder, "\(name).branch3x3dbl_1", x, 64, 1)
        two = unit(&builder, "\(name).branch3x3dbl_2", two, 96, 3)
        two = unit(&builder, "\(name).branch3x3dbl_3", two, 96, 3, stride: 2, padding: Extent(0))
        return builder.concatenation(name, [one, two, builder.maxPooling("\(name).pool", x, Self.reduction)])
    }

    private func blockC(_ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID, width: Int) -> Graph.NodeID {
        let (across, down) = (Extent(1, 7), Extent(7, 1))
        let one = unit(&builder, "\(name).branch1x1", x, 192, 1)
        var single = unit(&builder, "\(name).branch7x7_1", x, width, 1)
        single = unit(&builder, "\(name).branch7x7_2", single, width, across)
        single = unit(&builder, "\(name).branch7x7_3", single, 192, down)
        var double = unit(&builder, "\(name).branch7x7dbl_1", x, width, 1)
        for (number, (channels, kernel)) in [(width, down), (width, across), (width, down), (192, across)].enumerated()
        { double = unit(&builder, "\(name).branch7x7dbl_\(number + 2)", double, channels, kernel) }
        let pool = pooledBranch(&builder, name, x, 192)
        return builder.concatenation(name, [one, single, double, pool])
    }

    private func blockD(_ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID) -> Graph.NodeID {
        var three = unit(&builder, "\(name).branch3x3_1", x, 192, 1)
        three = unit(&builder, "\(name).branch3x3_2", three, 320, 3, stride: 2, padding: Extent(0))
        var seven = unit(&builder, "\(name).branch7x7x3_1", x, 192, 1)
        seven = unit(&builder, "\(name).branch7x7x3_2", seven, 192, Extent(1, 7))
        seven = unit(&builder, "\(name).branch7x7x3_3", seven, 192, Extent(7, 1))
        seven = unit(&builder, "\(name).branch7x7x3_4", seven, 192, 3, stride: 2, padding: Extent(0))
        return builder.concatenation(name, [three, seven, builder.maxPooling("\(name).pool", x, Self.reduction)])
    }

    private func blockE(_ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID) -> Graph.NodeID {
        let (across, down) = (Extent(1, 3), Extent(3, 1))
        let one = unit(&builder, "\(name).branch1x1", x, 320, 1)
        let three = unit(&builder, "\(name).branch3x3_1", x, 384, 1)
        let split = [
            unit(&builder, "\(name).branch3x3_2a", three, 384, across),
            unit(&builder, "\(name).branch3x3_2b", three, 384, down),
        ]
        var double = unit(&builder, "\(name).branch3x3dbl_1", x, 448, 1)
        double = unit(&builder, "\(name).branch3x3dbl_2", double, 384, 3)
        let splitDouble = [
            unit(&builder, "\(name).branch3x3dbl_3a", double, 384, across),
            unit(&builder, "\(name).branch3x3dbl_3b", double, 384, down),
        ]
        let pool = pooledBranch(&builder, name, x, 192)
        return builder.concatenation(name, [one] + split + splitDouble + [pool])
    }

    // MARK: - Units

    /// The pooling that halves the image: 3×3, stride 2, no padding.
    private static let reduction = Window(kernel: Extent(3), stride: Extent(2))

    private func pooledBranch(
        _ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID, _ channels: Int
    ) -> Graph.NodeID {
        let window = Window(kernel: Extent(3), padding: Extent(1))
        let pool = builder.averagePooling("\(name).pool", x, window, countsPadding: numerics == .torchvision)
        return unit(&builder, "\(name).branch_pool", pool, channels, 1)
    }

    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ x: Graph.NodeID, _ channels: Int, _ kernel: Int,
        stride: Int = 1, padding: Extent? = nil
    ) -> Graph.NodeID { unit(&builder, name, x, channels, Extent(kernel), stride: stride, padding: padding) }

    /// Convolution, batch normalisation and ReLU; "same" padding unless specified.
    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: Int, _ kernel: Extent,
        stride: Int = 1, padding: Extent? = nil
    ) -> Graph.NodeID {
        let padding = padding ?? Extent(kernel.height / 2, kernel.width / 2)
        let window = Window(kernel: kernel, stride: Extent(stride), padding: padding)
        let x = builder.unit(
            name + ".conv", name + ".bn", input, channels, window, epsilon: 1e-3, hasScale: numerics == .torchvision)
        return builder.activation(.relu, x)
    }
}

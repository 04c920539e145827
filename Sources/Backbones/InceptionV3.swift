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
        x = unit(&builder, "Conv2d_1a_3x3", x, 32, Self.square, stride: 2, padding: Extent(0))
        x = unit(&builder, "Conv2d_2a_3x3", x, 32, Self.square, padding: Extent(0))
        x = unit(&builder, "Conv2d_2b_3x3", x, 64, Self.square)
        x = builder.maxPooling("maxpool1", x, Self.reduction)
        x = unit(&builder, "Conv2d_3b_1x1", x, 80, Self.pixel)
        x = unit(&builder, "Conv2d_4a_3x3", x, 192, Self.square, padding: Extent(0))
        x = builder.maxPooling("maxpool2", x, Self.reduction)
        for (name, pooled) in [("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)] {
            x = block(&builder, name, x, Self.blockA, pooled: pooled)
        }
        x = block(&builder, "Mixed_6a", x, Self.blockB, pooled: nil)
        for (name, width) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            x = block(&builder, name, x, Self.blockC(width), pooled: 192)
        }
        x = block(&builder, "Mixed_7a", x, Self.blockD, pooled: nil)
        for name in ["Mixed_7b", "Mixed_7c"] { x = block(&builder, name, x, Self.blockE, pooled: 192) }
        return builder.classifier(x, pooling: "avgpool", linear: "fc")
    }

    // MARK: - Blocks, with branches in the order in which both implementations concatenate them

    /// A convolution by the end of its name, with its channels and kernel. Those that end in a and b read the same
    /// value, others the one before.
    private typealias Unit = (name: String, channels: Int, kernel: Extent)

    private static let (pixel, square, across, down) = (Extent(1), Extent(3), Extent(1, 7), Extent(7, 1))

    private static let blockA: [[Unit]] = [
        [("1x1", 64, pixel)], [("5x5_1", 48, pixel), ("5x5_2", 64, Extent(5))],
        [("3x3dbl_1", 64, pixel), ("3x3dbl_2", 96, square), ("3x3dbl_3", 96, square)],
    ]

    private static let blockB: [[Unit]] = [
        [("3x3", 384, square)], [("3x3dbl_1", 64, pixel), ("3x3dbl_2", 96, square), ("3x3dbl_3", 96, square)],
    ]

    private static func blockC(_ width: Int) -> [[Unit]] {
        [
            [("1x1", 192, pixel)], [("7x7_1", width, pixel), ("7x7_2", width, across), ("7x7_3", 192, down)],
            [
                ("7x7dbl_1", width, pixel), ("7x7dbl_2", width, down), ("7x7dbl_3", width, across),
                ("7x7dbl_4", width, down), ("7x7dbl_5", 192, across),
            ],
        ]
    }

    private static let blockD: [[Unit]] = [
        [("3x3_1", 192, pixel), ("3x3_2", 320, square)],
        [("7x7x3_1", 192, pixel), ("7x7x3_2", 192, across), ("7x7x3_3", 192, down), ("7x7x3_4", 192, square)],
    ]

    private static let blockE: [[Unit]] = [
        [("1x1", 320, pixel)],
        [("3x3_1", 384, pixel), ("3x3_2a", 384, Extent(1, 3)), ("3x3_2b", 384, Extent(3, 1))],
        [
            ("3x3dbl_1", 448, pixel), ("3x3dbl_2", 384, square), ("3x3dbl_3a", 384, Extent(1, 3)),
            ("3x3dbl_3b", 384, Extent(3, 1)),
        ],
    ]

    /// The pooling that halves the image: 3×3, stride 2, no padding.
    private static let reduction = Window(kernel: Extent(3), stride: Extent(2))

    /// `pooled`: channels of the branch that begins with a mean; nil for a block that halves the image.
    private func block(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ branches: [[Unit]], pooled: Int?
    ) -> Graph.NodeID {
        var outputs: [Graph.NodeID] = []
        for branch in branches {
            var (source, ends) = (input, [Graph.NodeID]())
            for (index, (end, channels, kernel)) in branch.enumerated() {
                if !end.hasSuffix("b") { (source, ends) = (ends.last ?? input, []) }
                let halves = pooled == nil && index == branch.count - 1
                ends.append(
                    unit(
                        &builder, "\(name).branch\(end)", source, channels, kernel, stride: halves ? 2 : 1,
                        padding: halves ? Extent(0) : nil))
            }
            outputs += ends
        }
        guard let pooled else {
            return builder.concatenation(name, outputs + [builder.maxPooling("\(name).pool", input, Self.reduction)])
        }
        let window = Window(kernel: Extent(3), padding: Extent(1))
        let pool = builder.averagePooling("\(name).pool", input, window, countsPadding: numerics == .torchvision)
        return builder.concatenation(name, outputs + [unit(&builder, "\(name).branch_pool", pool, pooled, Self.pixel)])
    }

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

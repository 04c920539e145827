import NeuralNetwork

/// EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan and Le 2019 (arXiv:1905.11946).
/// torchvision pads symmetrically; Keras puts the odd pixel at the end (TensorFlow's "same" padding). The epsilon of
/// batch normalisation is 1e-3 in Keras, 1e-5 in timm, and either in torchvision, depending on the size. Parameter
/// names are torchvision's.
package struct EfficientNet: Sendable {
    /// Compound scaling: width, depth and image size grow together from B0 to B7.
    package enum Size: Int, CaseIterable, Sendable {
        case b0, b1, b2, b3, b4, b5, b6, b7

        /// Width and depth multipliers, and the side of the image in pixels.
        var scaling: (width: Double, depth: Double, imageSize: Int) {
            [
                (1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300), (1.4, 1.8, 380), (1.6, 2.2, 456),
                (1.8, 2.6, 528), (2.0, 3.1, 600),
            ][rawValue]
        }
    }

    package let size: Size
    package let numerics: Numerics

    package init(_ size: Size, _ numerics: Numerics) { (self.size, self.numerics) = (size, numerics) }

    /// The stages of B0: expansion, channels, repeats, stride, kernel.
    private static let stages = [
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]

    /// The units and gates, which timm's networks have too.
    private var parts: InvertedResiduals {
        let epsilon: Float =
            switch numerics {
            case .torchvision: size.rawValue < Size.b5.rawValue ? 1e-5 : 1e-3
            case .keras: 1e-3
            default: 1e-5
            }
        return InvertedResiduals(padsLikeTensorFlow: numerics == .keras, epsilon: epsilon, activation: .silu)
    }

    /// Outputs `spatial` (the last convolution), `pooled` `[1280 … 2560]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        x = unit(&builder, "features.0", x, channels(32), kernel: 3, stride: 2)
        for (number, (expansion, width, repeats, stride, kernel)) in Self.stages.enumerated() {
            for index in 0..<Int((Double(repeats) * size.scaling.depth).rounded(.up)) {
                x = block(
                    &builder, "features.\(number + 1).\(index)", x, expansion: expansion, width: channels(width),
                    kernel: kernel, stride: index == 0 ? stride : 1)
            }
        }
        x = unit(&builder, "features.8", x, 4 * channels(320), kernel: 1)
        return builder.classifier(x, pooling: "avgpool", linear: "classifier.1")
    }

    /// Inverted residual with squeeze-excitation (MBConv).
    private func block(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, expansion: Int, width: Int, kernel: Int,
        stride: Int
    ) -> Graph.NodeID {
        guard case .image(let inChannels, _, _) = builder.shape(of: input) else { return input }
        let expanded = inChannels * expansion
        var part = 0
        func next() -> String {
            defer { part += 1 }
            return "\(name).block.\(part)"
        }
        var x = input
        if expansion > 1 { x = unit(&builder, next(), x, expanded, kernel: 1) }
        x = unit(&builder, next(), x, expanded, kernel: kernel, stride: stride, groups: expanded)
        x = parts.excite(&builder, next(), x, squeezed: max(1, inChannels / 4), reduction: "fc1", expansion: "fc2")
        let isResidual = stride == 1 && inChannels == width
        // An untrained squeeze-and-excitation halves its input; the initial scale compensates, less so in residual
        // branches.
        x = unit(&builder, next(), x, width, kernel: 1, activation: nil, scale: isResidual ? 0.2 : 1.5)
        return isResidual ? builder.add(name + ".add", x, input) : x
    }

    /// Convolution, batch normalisation, SiLU.
    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: Int, kernel: Int,
        stride: Int = 1, groups: Int = 1, activation: Activation? = .silu, scale: Float = 1
    ) -> Graph.NodeID {
        parts.unit(
            &builder, name + ".0", name + ".1", input, channels, kernel: kernel, stride: stride, groups: groups,
            activation: activation, scale: scale)
    }

    private func channels(_ count: Int) -> Int { InvertedResiduals.rounded(count, size.scaling.width) }
}

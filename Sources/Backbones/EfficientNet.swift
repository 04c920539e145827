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
            switch self {
            case .b0: (1.0, 1.0, 224)
            case .b1: (1.0, 1.1, 240)
            case .b2: (1.1, 1.2, 260)
            case .b3: (1.2, 1.4, 300)
            case .b4: (1.4, 1.8, 380)
            case .b5: (1.6, 2.2, 456)
            case .b6: (1.8, 2.6, 528)
            case .b7: (2.0, 3.1, 600)
            }
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

    private var epsilon: Float {
        switch numerics {
        case .torchvision: size.rawValue < Size.b5.rawValue ? 1e-5 : 1e-3
        case .keras: 1e-3
        default: 1e-5
        }
    }

    /// Outputs `spatial` (the last convolution), `pooled` `[1280 … 2560]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.input(.image(channels: 3, height: imageSize, width: imageSize), name: "image")
        x = unit(&builder, "features.0", x, channels(32), kernel: 3, stride: 2)
        for (number, (expansion, width, repeats, stride, kernel)) in Self.stages.enumerated() {
            for index in 0..<Int((Double(repeats) * size.scaling.depth).rounded(.up)) {
                x = block(
                    &builder, "features.\(number + 1).\(index)", x, expansion: expansion, width: channels(width),
                    kernel: kernel, stride: index == 0 ? stride : 1)
            }
        }
        x = unit(&builder, "features.8", x, 4 * channels(320), kernel: 1)
        let pooled = builder.globalAveragePooling("avgpool", x)
        let logits = builder.linear("classifier.1", pooled, out: 1000)
        return builder.build(outputs: ["spatial": x, "pooled": pooled, "logits": logits])
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
        x = excite(&builder, next(), x, squeezed: max(1, inChannels / 4))
        let isResidual = stride == 1 && inChannels == width
        // An untrained squeeze-and-excitation halves its input; the initial scale compensates, less so in residual
        // branches.
        x = unit(&builder, next(), x, width, kernel: 1, activation: nil, scale: isResidual ? 0.2 : 1.5)
        return isResidual ? builder.add(name + ".add", x, input) : x
    }

    /// Squeeze-and-Excitation, Hu et al. 2018 (arXiv:1709.01507). Random weights are small, so that gates do not
    /// saturate.
    private func excite(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, squeezed: Int
    ) -> Graph.NodeID {
        guard case .image(let channels, let height, let width) = builder.shape(of: input) else { return input }
        let window = Window(kernel: Extent(height, width))
        let pixel = Window(kernel: Extent(1))
        var s = builder.averagePooling(name + ".avgpool", input, window, countsPadding: false)
        s = builder.convolution(
            name + ".fc1", s, Convolution(outChannels: squeezed, window: pixel, hasBias: true),
            initializer: .fan(channels))
        s = builder.activation(.silu, s)
        s = builder.convolution(
            name + ".fc2", s, Convolution(outChannels: channels, window: pixel, hasBias: true),
            initializer: .fan(squeezed))
        return builder.scaleChannels(name, input, by: builder.activation(.sigmoid, s))
    }

    /// Convolution, batch normalisation, SiLU.
    private func unit(
        _ builder: inout GraphBuilder, _ name: String, _ input: Graph.NodeID, _ channels: Int, kernel: Int,
        stride: Int = 1, groups: Int = 1, activation: Activation? = .silu, scale: Float = 1
    ) -> Graph.NodeID {
        guard case .image(_, let height, _) = builder.shape(of: input) else { return input }
        let window = window(kernel, stride, size: height)
        var x = builder.convolution(
            name + ".0", input, Convolution(outChannels: channels, window: window, groups: groups))
        x = builder.batchNormalization(name + ".1", x, epsilon: epsilon, scale: scale)
        return activation.map { builder.activation($0, x) } ?? x
    }

    private func window(_ kernel: Int, _ stride: Int, size: Int) -> Window {
        let half = kernel / 2
        // Keras removes one pixel of the leading padding for even image sizes if the stride is above 1.
        let leading = numerics == .keras && stride > 1 && size % 2 == 0 ? half - 1 : half
        return Window(kernel: Extent(kernel), stride: Extent(stride), padding: Extent(leading), trailing: Extent(half))
    }

    private func channels(_ count: Int) -> Int { InvertedResiduals.rounded(count, size.scaling.width) }
}

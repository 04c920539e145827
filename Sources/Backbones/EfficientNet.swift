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
    static let stages = [
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ]

    /// Outputs `spatial` (the last convolution), `pooled` `[1280 … 2560]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        let isLarge = size.rawValue >= Size.b5.rawValue
        let blocks = InvertedResiduals(
            padsLikeTensorFlow: numerics == .keras,
            epsilon: numerics == .keras || (numerics == .torchvision && isLarge) ? 1e-3 : 1e-5, activation: .silu,
            hasTorchvisionNames: true)
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        x = blocks.unit(
            &builder, "features.0.0", "features.0.1", x, channels(32), kernel: 3, stride: 2, activation: .silu)
        let stages = Self.stages.map { expansion, width, repeats, stride, kernel in
            InvertedResiduals.Stage(
                kind: expansion == 1 ? .separable : .inverted, channels: channels(width),
                repeats: Int((Double(repeats) * size.scaling.depth).rounded(.up)), stride: stride, kernel: kernel,
                expansion: expansion, excitation: .quarterOfInput)
        }
        x = blocks.stages(&builder, stages, x)
        x = blocks.unit(
            &builder, "features.8.0", "features.8.1", x, 4 * channels(320), kernel: 1, activation: .silu)
        return builder.classifier(x, pooling: "avgpool", linear: "classifier.1")
    }

    private func channels(_ count: Int) -> Int { InvertedResiduals.rounded(count, size.scaling.width) }
}

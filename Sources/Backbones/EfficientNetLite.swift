import NeuralNetwork

/// EfficientNet-Lite (Google, 2020; tensorflow/tpu, `models/official/efficientnet/lite`): EfficientNet (Tan and Le
/// 2019, arXiv:1905.11946) for mobile processors, with ReLU6, no squeeze-and-excitation, and a stem and head of fixed
/// size. timm's own `efficientnet_lite0` pads symmetrically (epsilon 1e-5); its `tf_` networks and the original pad as
/// TensorFlow does (epsilon 1e-3). Parameter names are timm's.
package struct EfficientNetLite: Sendable {
    /// Compound scaling: width, depth and image size grow together from Lite0 to Lite4.
    package enum Size: Int, CaseIterable, Sendable {
        case lite0, lite1, lite2, lite3, lite4

        /// Width and depth multipliers, and the side of the image in pixels.
        var scaling: (width: Double, depth: Double, imageSize: Int) {
            [(1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300)][rawValue]
        }
    }

    package let size: Size
    /// `timm`, or `keras` for TensorFlow's.
    package let numerics: Numerics

    package init(_ size: Size, _ numerics: Numerics) { (self.size, self.numerics) = (size, numerics) }

    /// Outputs `spatial` (the last convolution), `pooled` `[1280]`, `logits`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        let isKeras = numerics == .keras
        let blocks = InvertedResiduals(padsLikeTensorFlow: isKeras, epsilon: isKeras ? 1e-3 : 1e-5, activation: .relu6)
        var x = builder.image(imageSize)
        x = blocks.unit(&builder, "conv_stem", "bn1", x, 32, kernel: 3, stride: 2, activation: .relu6)
        let stages = EfficientNet.stages.enumerated().map { number, stage in
            let (expansion, width, repeats, stride, kernel) = stage
            // The depth of the first and the last stage is not scaled.
            let isEnd = number == 0 || number == EfficientNet.stages.count - 1
            return InvertedResiduals.Stage(
                kind: expansion == 1 ? .separable : .inverted,
                channels: InvertedResiduals.rounded(width, size.scaling.width),
                repeats: isEnd ? repeats : Int((Double(repeats) * size.scaling.depth).rounded(.up)), stride: stride,
                kernel: kernel, expansion: expansion)
        }
        x = blocks.stages(&builder, stages, x)
        x = blocks.unit(&builder, "conv_head", "bn2", x, 1280, kernel: 1, activation: .relu6)
        return builder.classifier(x, pooling: "global_pool", linear: "classifier")
    }
}

import NeuralNetwork

/// EfficientNetV2: Smaller Models and Faster Training, Tan and Le 2021 (arXiv:2104.00298). torchvision and timm's own
/// networks pad symmetrically, Keras and timm's `tf_` networks as TensorFlow does. The epsilon of batch normalisation
/// is 1e-3, but 1e-5 in timm's own. Parameter names are timm's.
struct EfficientNetV2: Sendable {
    package enum Size: String, CaseIterable, Sendable {
        case s, m, l

        var imageSize: Int { self == .s ? 384 : 480 }

        var stem: Int { self == .l ? 32 : 24 }

        /// Expansion, channels, repeats, stride: three stages of Fused-MBConv, then MBConv with squeeze-and-excitation.
        var stages: [(expansion: Int, channels: Int, repeats: Int, stride: Int)] {
            switch self {
            case .s: [(1, 24, 2, 1), (4, 48, 4, 2), (4, 64, 4, 2), (4, 128, 6, 2), (6, 160, 9, 1), (6, 256, 15, 2)]
            case .m:
                [
                    (1, 24, 3, 1), (4, 48, 5, 2), (4, 80, 5, 2), (4, 160, 7, 2), (6, 176, 14, 1), (6, 304, 18, 2),
                    (6, 512, 5, 1),
                ]
            case .l:
                [
                    (1, 32, 4, 1), (4, 64, 7, 2), (4, 96, 7, 2), (4, 192, 10, 2), (6, 224, 19, 1), (6, 384, 25, 2),
                    (6, 640, 7, 1),
                ]
            }
        }
    }

    let size: Size
    let numerics: Numerics

    init(_ size: Size, _ numerics: Numerics) { (self.size, self.numerics) = (size, numerics) }

    /// Outputs `spatial` (the last convolution), `pooled` `[1280]`, `logits`.
    func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        let blocks = InvertedResiduals(
            padsLikeTensorFlow: numerics == .keras, epsilon: numerics == .timm ? 1e-5 : 1e-3, activation: .silu)
        var x = builder.image(imageSize)
        x = blocks.unit(&builder, "conv_stem", "bn1", x, size.stem, kernel: 3, stride: 2, activation: .silu)
        let stages = size.stages.enumerated().map { number, stage in
            InvertedResiduals.Stage(
                kind: number == 0 ? .convolution : number < 3 ? .fused : .inverted, channels: stage.channels,
                repeats: stage.repeats, stride: stage.stride, expansion: stage.expansion,
                excitation: number < 3 ? .none : .quarterOfInput)
        }
        x = blocks.stages(&builder, stages, x)
        x = blocks.unit(&builder, "conv_head", "bn2", x, 1280, kernel: 1, activation: .silu)
        return builder.classifier(x, pooling: "global_pool", linear: "classifier")
    }
}

import NeuralNetwork

/// Searching for MobileNetV3, Howard et al. 2019 (arXiv:1905.02244): the large network. Batch normalisation's epsilon
/// is 1e-3 in torchvision, 1e-5 in timm, 1e-3 in timm's `tf_` network (`keras` here), which has TensorFlow's padding.
/// Parameter names are timm's.
struct MobileNetV3: Sendable {
    let numerics: Numerics

    init(_ numerics: Numerics) { self.numerics = numerics }

    /// Blocks of the stages: kernel, expanded channels, channels, squeeze-and-excitation, hard-swish or ReLU, stride.
    private static let blocks: [[(Int, Int, Int, Bool, Bool, Int)]] = [
        [(3, 16, 16, false, false, 1)], [(3, 64, 24, false, false, 2), (3, 72, 24, false, false, 1)],
        [(5, 72, 40, true, false, 2), (5, 120, 40, true, false, 1), (5, 120, 40, true, false, 1)],
        [
            (3, 240, 80, false, true, 2), (3, 200, 80, false, true, 1), (3, 184, 80, false, true, 1),
            (3, 184, 80, false, true, 1),
        ], [(3, 480, 112, true, true, 1), (3, 672, 112, true, true, 1)],
        [(5, 672, 160, true, true, 2), (5, 960, 160, true, true, 1), (5, 960, 160, true, true, 1)],
    ]

    /// Outputs `spatial` and `pooled` (960 channels), `logits`.
    func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        let parts = InvertedResiduals(
            padsLikeTensorFlow: numerics == .keras, epsilon: numerics == .timm ? 1e-5 : 1e-3, activation: .hardSwish,
            gate: (.relu, .hardSigmoid))
        var x = builder.image(imageSize)
        x = parts.unit(&builder, "conv_stem", "bn1", x, 16, kernel: 3, stride: 2, activation: .hardSwish)
        for (number, stage) in Self.blocks.enumerated() {
            for (index, (kernel, inner, channels, isExcited, isHard, stride)) in stage.enumerated() {
                let block = InvertedResiduals.Stage(
                    kind: number == 0 ? .separable : .inverted, channels: channels, repeats: 1, stride: stride,
                    kernel: kernel, inner: inner, excitation: isExcited ? .quarterOfInner : .none,
                    activation: isHard ? .hardSwish : .relu)
                x = parts.block(&builder, "blocks.\(number).\(index)", block, stride: stride, x)
            }
        }
        x = parts.unit(&builder, "blocks.6.0.conv", "blocks.6.0.bn1", x, 960, kernel: 1, activation: .hardSwish)
        let pooled = builder.globalAveragePooling("global_pool", x)
        guard case .image(_, let height, let width) = builder.shape(of: x) else { return builder.build(outputs: [:]) }
        var head = builder.averagePooling("head_pool", x, Window(kernel: Extent(height, width)), countsPadding: false)
        head = builder.convolution(
            "conv_head", head,
            Convolution(outChannels: 1280, window: Window(kernel: Extent(1)), hasBias: true))
        head = builder.globalAveragePooling("flatten", builder.activation(.hardSwish, head))
        let logits = builder.linear("classifier", head, out: 1000)
        return builder.build(outputs: ["spatial": x, "pooled": pooled, "logits": logits])
    }
}

import NeuralNetwork

/// Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan and Zisserman 2014 (arXiv:1409.1556),
/// configuration D: thirteen 3×3 convolutions with bias, no batch normalisation. torchvision's and Keras'
/// implementations are equivalent; parameter names are torchvision's (`features.N`).
struct VGG16: Sendable {
    init() {}

    /// Channels of each convolution; nil is a pooling.
    private static let layers: [Int?] = [
        64, 64, nil, 128, 128, nil, 256, 256, 256, nil, 512, 512, 512, nil, 512, 512, 512, nil,
    ]

    /// Outputs `spatial` `[512, size / 32, size / 32]`, `pooled` `[512]`, `flatten` (height, width, channels).
    func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        var number = 0
        for channels in Self.layers {
            let name = "features.\(number)"
            if let channels {
                let window = Window(kernel: Extent(3), padding: Extent(1))
                x = builder.convolution(name, x, Convolution(outChannels: channels, window: window, hasBias: true))
                x = builder.activation(.relu, x)
                number += 2
            } else {
                x = builder.maxPooling(name, x, Window(kernel: Extent(2), stride: Extent(2)))
                number += 1
            }
        }
        let pooled = builder.globalAveragePooling("avgpool", x)
        let flat = builder.flatten("flatten", x)
        return builder.build(outputs: ["spatial": x, "pooled": pooled, "flatten": flat])
    }
}

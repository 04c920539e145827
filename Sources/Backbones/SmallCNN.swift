import NeuralNetwork

/// The small CNN of the published ten-class UCF101 recipe, for training from scratch: four convolutions without bias,
/// each with batch normalisation and ReLU.
package struct SmallCNN: Sendable {
    package init() {}

    /// Outputs `spatial` `[512, size / 32, size / 32]` and `pooled` `[512]`.
    package func graph(imageSize: Int) -> Graph {
        var builder = GraphBuilder()
        var x = builder.image(imageSize)
        for (index, channels) in [64, 128, 256, 512].enumerated() {
            let kernel = index == 0 ? 7 : 3
            let window = Window(kernel: Extent(kernel), stride: Extent(2), padding: Extent(kernel / 2))
            x = builder.unit("conv\(index + 1)", "bn\(index + 1)", x, channels, window)
            x = builder.activation(.relu, x)
            if index == 0 {
                let pooling = Window(kernel: Extent(3), stride: Extent(2), padding: Extent(1))
                x = builder.maxPooling("maxpool", x, pooling)
            }
        }
        x = builder.dropout("dropout", x, rate: 0.5)
        let pooled = builder.globalAveragePooling("avgpool", x)
        return builder.build(outputs: ["spatial": x, "pooled": pooled])
    }
}

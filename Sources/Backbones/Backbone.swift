import NeuralNetwork

/// A published image network that turns a picture into features.
public struct Backbone: Sendable {
    /// As pipelines name it, such as `resnet152`.
    public let name: String
    /// Paper and implementation it follows.
    public let source: String
    /// Side of the square pictures it was trained on, in pixels.
    public let nativeImageSize: Int
    /// The smallest side it accepts, in pixels.
    public let minimumImageSize: Int
    /// What its published weights expect.
    public let inputConvention: InputConvention
    private let makeGraph: @Sendable (Int) -> Graph

    /// The network for square pictures of `imageSize` pixels. Its outputs are the taps and `logits`.
    public func graph(imageSize: Int) -> Graph { makeGraph(imageSize) }

    /// Where features are taken: `pooled` gives `[D]`, `spatial` `[height, width, channels]`.
    public static let taps = ["pooled", "spatial"]

    /// Every backbone, in the order `describe` lists them.
    public static let all: [Backbone] = ResNet.Depth.allCases.map { depth in
        Backbone(
            name: "resnet\(depth.rawValue)", source: "He et al. 2015, torchvision v1.5", nativeImageSize: 224,
            minimumImageSize: 32, inputConvention: .imageNet
        ) { ResNet(depth).graph(imageSize: $0) }
    }

    /// The backbone of that name, or nil.
    public static func named(_ name: String) -> Backbone? { all.first { $0.name == name } }

    init(
        name: String, source: String, nativeImageSize: Int, minimumImageSize: Int, inputConvention: InputConvention,
        makeGraph: @escaping @Sendable (Int) -> Graph
    ) {
        self.name = name
        self.source = source
        self.nativeImageSize = nativeImageSize
        self.minimumImageSize = minimumImageSize
        self.inputConvention = inputConvention
        self.makeGraph = makeGraph
    }
}

/// How 8-bit RGB becomes a network's input. It belongs to the weights, not to the architecture.
public struct InputConvention: Sendable, Equatable, Codable {
    /// Subtracted from each channel, after division by 255.
    public let mean: [Float]
    /// Each channel is then divided by this.
    public let deviation: [Float]

    /// Mean and deviation of ImageNet, as torchvision's weights expect.
    public static let imageNet = InputConvention(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// As the plan applies it: one multiplication and one addition a value.
    public var normalization: PixelNormalization { PixelNormalization(mean: mean, deviation: deviation) }
}

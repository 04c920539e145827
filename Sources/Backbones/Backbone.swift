import NeuralNetwork

/// Whose arithmetic a network follows: publishers of one architecture differ in padding, pooling and
/// normalisation, and their weights fit their own arithmetic only.
public enum Numerics: String, Sendable, CaseIterable, Codable {
    case torchvision, keras, timm
}

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
    /// The arithmetics it can follow; the first is the default.
    public let numerics: [Numerics]
    /// Where features can be taken: `pooled` gives `[D]`, `spatial` `[height, width, channels]`, `flatten`
    /// the same numbers as one vector.
    public let taps: [String]
    private let makeGraph: @Sendable (Int, Numerics) -> Graph
    private let makeConvention: @Sendable (Numerics) -> InputConvention

    /// The network for square pictures of `imageSize` pixels. Its outputs are the taps and, where there is
    /// a classifier, `logits`.
    public func graph(imageSize: Int, numerics: Numerics? = nil) -> Graph {
        makeGraph(imageSize, numerics ?? self.numerics[0])
    }

    /// What the published weights of that arithmetic expect.
    public func inputConvention(_ numerics: Numerics? = nil) -> InputConvention {
        makeConvention(numerics ?? self.numerics[0])
    }

    /// Every backbone, in the order `describe` lists them.
    public static let all: [Backbone] = resNets + [inceptionV3] + efficientNets + [vgg16, smallCNN]

    /// The backbone of that name, or nil.
    public static func named(_ name: String) -> Backbone? { all.first { $0.name == name } }

    private static let resNets = ResNet.Depth.allCases.map { depth in
        Backbone(
            name: "resnet\(depth.rawValue)", source: "He et al. 2015, torchvision v1.5", nativeImageSize: 224,
            minimumImageSize: 32, numerics: [.torchvision], taps: ["pooled", "spatial"],
            makeGraph: { size, _ in ResNet(depth).graph(imageSize: size) }, makeConvention: { _ in .imageNet })
    }

    private static let inceptionV3 = Backbone(
        name: "inceptionv3", source: "Szegedy et al. 2015, torchvision and Keras", nativeImageSize: 299,
        minimumImageSize: 75, numerics: [.torchvision, .keras], taps: ["pooled", "spatial"],
        makeGraph: { size, numerics in InceptionV3(numerics).graph(imageSize: size) },
        // torchvision's published weights re-normalise ImageNet-normalised input to [−1, 1] themselves.
        makeConvention: { _ in .symmetric })

    private static let efficientNets = EfficientNet.Size.allCases.map { size in
        Backbone(
            name: "efficientnet_\(size)", source: "Tan and Le 2019, torchvision, Keras and timm",
            nativeImageSize: size.scaling.imageSize, minimumImageSize: 32, numerics: [.torchvision, .keras, .timm],
            taps: ["pooled", "spatial"],
            makeGraph: { imageSize, numerics in EfficientNet(size, numerics).graph(imageSize: imageSize) },
            makeConvention: { _ in .imageNet })
    }

    private static let vgg16 = Backbone(
        name: "vgg16", source: "Simonyan and Zisserman 2014, torchvision and Keras", nativeImageSize: 224,
        minimumImageSize: 32, numerics: [.torchvision, .keras], taps: ["pooled", "spatial", "flatten"],
        makeGraph: { size, _ in VGG16().graph(imageSize: size) },
        makeConvention: { $0 == .keras ? .caffe : .imageNet })

    private static let smallCNN = Backbone(
        name: "small_cnn", source: "four convolutions, for training from scratch", nativeImageSize: 128,
        minimumImageSize: 32, numerics: [.torchvision], taps: ["pooled", "spatial"],
        makeGraph: { size, _ in SmallCNN().graph(imageSize: size) }, makeConvention: { _ in .imageNet })
}

/// How 8-bit RGB becomes a network's input: (value / 255 − mean) / deviation for each channel, then
/// perhaps blue before red. It belongs to the weights, not to the architecture.
public struct InputConvention: Sendable, Equatable, Codable {
    /// Of red, green, blue, where white is 1.
    public let mean: [Float]
    /// Of red, green, blue.
    public let deviation: [Float]
    /// Whether the network expects blue, green, red.
    public let isBlueFirst: Bool

    /// - Parameters:
    ///   - mean: of red, green, blue, where white is 1.
    ///   - deviation: of red, green, blue.
    public init(mean: [Float], deviation: [Float], isBlueFirst: Bool = false) {
        self.mean = mean
        self.deviation = deviation
        self.isBlueFirst = isBlueFirst
    }

    enum CodingKeys: String, CodingKey {
        case mean, deviation
        case isBlueFirst = "blue_first"
    }

    /// Mean and deviation of ImageNet, as torchvision's weights expect.
    public static let imageNet = InputConvention(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// From −1 to 1: value / 127.5 − 1.
    public static let symmetric = InputConvention(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])

    /// Caffe's: blue, green, red, minus the means 103.939, 116.779, 123.68 of 255, not scaled.
    public static let caffe = InputConvention(
        mean: [123.68 / 255, 116.779 / 255, 103.939 / 255], deviation: [1 / 255, 1 / 255, 1 / 255], isBlueFirst: true)

    /// As the plan applies it: one multiplication and one addition a value.
    public var normalization: PixelNormalization {
        PixelNormalization(mean: mean, deviation: deviation, isBlueFirst: isBlueFirst)
    }
}

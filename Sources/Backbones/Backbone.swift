import NeuralNetwork

/// Whose arithmetic a network follows: publishers of one architecture differ in padding, pooling and
/// normalisation, and their weights fit their own arithmetic only.
public enum Numerics: String, Sendable, CaseIterable, Codable {
    case torchvision, keras, timm, openai
    case openCLIP = "open_clip"
    case transformers
    /// Of a network that comes with its graph, in an ONNX file.
    case onnx
}

/// A published network that turns a picture, or a window of neighbouring frames, into features.
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
    /// the same numbers as one vector; of transformers `tokens` gives `[height, width, D]`, `mean` the mean of those, and
    /// `projected` what image and text towers share, not normalised.
    public let taps: [String]
    /// Pictures must be a multiple of so many pixels wide.
    public var patch = 1
    /// The filter that pictures were resized with for the published weights.
    public var interpolation = Interpolation.bilinear
    /// Frames that are best seen together: enough to reuse weights, few enough that activations stay near the processor.
    public var framesAtOnce = 16
    /// The only size there is, where the network is for one size.
    public var fixedImageSize: Int?
    /// How many frames it sees at once; nil for networks that see one picture.
    public var clip: ClipLength?
    var makeGraph: @Sendable (Int, Numerics) -> Graph = { _, _ in .empty }
    let makeConvention: @Sendable (Numerics) -> InputConvention

    /// Frames of a window.
    public struct ClipLength: Sendable {
        /// What it was trained on.
        public let native: Int
        /// The fewest that it accepts.
        public let minimum: Int
        let makeGraph: @Sendable (_ imageSize: Int, _ frames: Int) -> Graph
    }

    /// Filters that publishers resize pictures with, both with antialiasing.
    public enum Interpolation: Sendable {
        case bilinear, bicubic
    }

    /// The tap that gives maps.
    public var mapTap: String { taps.contains("tokens") ? "tokens" : "spatial" }

    /// The largest side of images that any network accepts, in pixels.
    public static let largestImageSize = 4096

    /// Whether it accepts pictures of that many pixels.
    public func accepts(imageSize: Int) -> Bool {
        (minimumImageSize...Self.largestImageSize).contains(imageSize) && imageSize % patch == 0
            && (fixedImageSize.map { $0 == imageSize } ?? true)
    }

    /// The network for square pictures of `imageSize` pixels. Its outputs are the taps and, where there is
    /// a classifier, `logits`.
    ///
    /// - `frames`: that a network of windows sees at once; nil means what it was trained on.
    public func graph(imageSize: Int, numerics: Numerics? = nil, frames: Int? = nil) -> Graph {
        if let clip { return clip.makeGraph(imageSize, frames ?? clip.native) }
        return makeGraph(imageSize, numerics ?? self.numerics[0])
    }

    /// What the published weights of that arithmetic expect.
    public func inputConvention(_ numerics: Numerics? = nil) -> InputConvention {
        makeConvention(numerics ?? self.numerics[0])
    }

    /// Every backbone, in the order `describe` lists them.
    public static let all: [Backbone] =
        resNets + [inceptionV3] + efficientNets + efficientNetsV2 + efficientNetsLite + [mobileNetV3] + convNeXts
        + visionTransformers + dinov2s + imageTowers + [vgg16] + clipNetworks + [smallCNN]

    /// The backbone of that name, or nil.
    public static func named(_ name: String) -> Backbone? { all.first { $0.name == name } }
}

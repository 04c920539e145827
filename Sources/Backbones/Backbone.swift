import NeuralNetwork
import ONNX

/// The reference implementation that a network follows. Implementations of one architecture differ in padding, pooling
/// and normalisation, and weights are valid only for their own.
package enum Numerics: String, Sendable, CaseIterable, Codable {
    case torchvision, keras, timm, openai, openCLIP = "open_clip", transformers
    /// A network whose graph is in an ONNX file.
    case onnx
}

/// A published network that computes features of an image, or of a clip of consecutive frames.
package struct Backbone: Sendable {
    /// As in pipelines, such as `resnet152`.
    package let name: String
    /// Paper and reference implementation.
    package let source: String
    /// Side of the square training images, in pixels.
    package let nativeImageSize: Int
    package let minimumImageSize: Int
    /// The supported implementations; the first is the default.
    package let numerics: [Numerics]
    /// Layers whose output can be used as features: `pooled` gives `[D]`, `spatial` `[height, width, channels]`,
    /// `flatten` the same elements as one vector. For transformers `tokens` gives `[height, width, D]`, `mean` their
    /// mean, and `projected` the joint embedding of image and text towers, not normalised.
    package let taps: [String]
    /// Image sides must be a multiple of this many pixels.
    package var patch = 1
    /// The resize filter that was used with the published weights.
    package var interpolation = Interpolation.bilinear
    /// Recommended batch size: large enough to reuse weights, small enough that activations stay in the CPU cache.
    package var framesAtOnce = 16
    package var fixedImageSize: Int?
    /// The network of an ONNX file, which holds its own weights; nil for published networks.
    package internal(set) var network: ImportedNetwork?
    /// Frames per clip; nil for image encoders.
    package var clip: ClipLength?
    var makeGraph: @Sendable (Int, Numerics) -> Graph = { _, _ in .empty }
    let makeConvention: @Sendable (Numerics) -> InputConvention

    package struct ClipLength: Sendable {
        /// Frames per training clip.
        package let native: Int
        package let minimum: Int
        let makeGraph: @Sendable (_ imageSize: Int, _ frames: Int) -> Graph
    }

    /// Resize filters of the publishers, both with antialiasing.
    package enum Interpolation: Sendable { case bilinear, bicubic }

    /// The tap with spatial feature maps.
    package var mapTap: String { taps.contains("tokens") ? "tokens" : "spatial" }

    /// Maximum image side of any network, in pixels.
    package static let largestImageSize = 4096

    package func accepts(imageSize: Int) -> Bool {
        (minimumImageSize...Self.largestImageSize).contains(imageSize) && imageSize % patch == 0
            && (fixedImageSize.map { $0 == imageSize } ?? true)
    }

    /// The network for square images of `imageSize` pixels. Its outputs are the taps and, if it has a classifier,
    /// `logits`. `frames`: frames per clip of a video encoder; nil means the number it was trained on.
    package func graph(imageSize: Int, numerics: Numerics? = nil, frames: Int? = nil) -> Graph {
        if let clip { return clip.makeGraph(imageSize, frames ?? clip.native) }
        return makeGraph(imageSize, numerics ?? self.numerics[0])
    }

    /// The input normalisation of the published weights for that implementation.
    package func inputConvention(_ numerics: Numerics? = nil) -> InputConvention {
        makeConvention(numerics ?? self.numerics[0])
    }

    /// Every backbone, in the order of `describe`.
    package static let all: [Backbone] =
        resNets + [inceptionV3] + efficientNets + efficientNetsV2 + efficientNetsLite + [mobileNetV3] + convNeXts
        + visionTransformers + dinov2s + imageTowers + [vgg16] + clipNetworks + [smallCNN]

    package static func named(_ name: String) -> Backbone? { all.first { $0.name == name } }
}

extension Backbone {
    /// Whether tensors of these shapes include all parameters up to the `pooled` tap.
    package func fits(_ shapes: [String: [Int]]) -> Bool { ExpectedTensors(self).fits(shapes) }

    /// The backbone of these tensors' shapes; the largest of several that fit (a deep ResNet's file has all of a
    /// shallow one's tensors). Nil if the file has tensors inside the backbone's modules that it lacks.
    package static func looking(like shapes: [String: [Int]]) -> Backbone? {
        let best = zip(all, ExpectedTensors.all).filter { $1.fits(shapes) }.max { $0.1.all.count < $1.1.all.count }
        return best.flatMap { $0.1.leftOver(shapes).isEmpty ? $0.0 : nil }
    }
}

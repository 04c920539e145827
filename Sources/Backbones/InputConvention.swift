import NeuralNetwork

/// How 8-bit RGB becomes a network's input: (value / 255 − mean) / deviation for each channel, then
/// perhaps blue before red. It belongs to the weights, not to the architecture.
public struct InputConvention: Sendable, Equatable, Codable {
    /// Of red, green, blue, where white is 1.
    public let mean: [Float]
    /// Of red, green, blue.
    public let deviation: [Float]
    /// Whether the network expects blue, green, red.
    public let isBlueFirst: Bool
    /// Whether the network is shown how each frame differs from the one before it, instead of the frame; see
    /// `FrameDifference`. Nil means no.
    public var isDifference: Bool?

    /// - `mean`: of red, green, blue, where white is 1.
    /// - `deviation`: of red, green, blue.
    public init(mean: [Float], deviation: [Float], isBlueFirst: Bool = false) {
        self.mean = mean
        self.deviation = deviation
        self.isBlueFirst = isBlueFirst
    }

    /// Whether it says of three channels what can be computed: a damaged file says anything.
    package var isPossible: Bool {
        mean.count == 3 && deviation.count == 3 && mean.allSatisfy(\.isFinite)
            && deviation.allSatisfy { $0.isFinite && $0 != 0 }
    }

    enum CodingKeys: String, CodingKey {
        case mean, deviation
        case isBlueFirst = "blue_first"
        case isDifference = "difference"
    }

    /// Mean and deviation of ImageNet, as torchvision's weights expect.
    public static let imageNet = InputConvention(mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225])

    /// From −1 to 1: value / 127.5 − 1.
    public static let symmetric = InputConvention(mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5])

    /// Caffe's: blue, green, red, minus the means 103.939, 116.779, 123.68 of 255, not scaled.
    public static let caffe = InputConvention(
        mean: [123.68 / 255, 116.779 / 255, 103.939 / 255], deviation: [1 / 255, 1 / 255, 1 / 255], isBlueFirst: true)

    /// Of the films of Kinetics-400, as torchvision's networks of windows expect.
    public static let kinetics = InputConvention(
        mean: [0.43216, 0.394666, 0.37645], deviation: [0.22803, 0.22145, 0.216989])

    /// Of the pictures that CLIP was trained on.
    public static let clip = InputConvention(
        mean: [0.48145466, 0.4578275, 0.40821073], deviation: [0.26862954, 0.26130258, 0.27577711])

    /// Keras' EfficientNetV2: value / 128 − 1.
    static let by128 = InputConvention(
        mean: [Float](repeating: 128 / 255, count: 3), deviation: [Float](repeating: 128 / 255, count: 3))

    /// As the plan applies it: one multiplication and one addition a value.
    public var normalization: PixelNormalization {
        PixelNormalization(mean: mean, deviation: deviation, isBlueFirst: isBlueFirst)
    }
}

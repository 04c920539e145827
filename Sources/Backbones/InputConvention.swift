import NeuralNetwork

/// How 8-bit RGB becomes a network's input: (value / 255 − mean) / standard deviation per channel, optionally as BGR.
/// It is a property of the weights, not of the architecture.
package struct InputConvention: Sendable, Equatable, Codable {
    /// Of red, green and blue, with white = 1.
    package let mean: [Float]
    package let standardDeviation: [Float]
    package let isBlueFirst: Bool
    /// Whether the input is the difference of each frame from the previous one instead of the frame; see
    /// `FrameDifference`. Nil means false.
    package var isDifference: Bool?

    package init(mean: [Float], standardDeviation: [Float], isBlueFirst: Bool = false) {
        (self.mean, self.standardDeviation, self.isBlueFirst) = (mean, standardDeviation, isBlueFirst)
    }

    /// Whether it holds three finite, usable values per channel; a damaged file may hold any.
    package var isPossible: Bool {
        mean.count == 3 && standardDeviation.count == 3 && mean.allSatisfy(\.isFinite)
            && standardDeviation.allSatisfy { $0.isFinite && $0 != 0 }
    }

    enum CodingKeys: String, CodingKey {
        case mean, standardDeviation = "deviation", isBlueFirst = "blue_first", isDifference = "difference"
    }

    /// ImageNet's mean and standard deviation, for torchvision's weights.
    package static let imageNet = InputConvention(
        mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225])

    /// −1 to 1: value / 127.5 − 1.
    package static let symmetric = InputConvention(mean: [0.5, 0.5, 0.5], standardDeviation: [0.5, 0.5, 0.5])

    /// Caffe's: BGR, minus the means 103.939, 116.779, 123.68 of 255, not scaled.
    package static let caffe = InputConvention(
        mean: [123.68 / 255, 116.779 / 255, 103.939 / 255], standardDeviation: [1 / 255, 1 / 255, 1 / 255],
        isBlueFirst: true)

    /// Mean and standard deviation of Kinetics-400, for torchvision's video encoders.
    package static let kinetics = InputConvention(
        mean: [0.43216, 0.394666, 0.37645], standardDeviation: [0.22803, 0.22145, 0.216989])

    /// Mean and standard deviation of CLIP's training images.
    package static let clip = InputConvention(
        mean: [0.48145466, 0.4578275, 0.40821073], standardDeviation: [0.26862954, 0.26130258, 0.27577711])

    /// Keras' EfficientNetV2: value / 128 − 1.
    static let by128 = InputConvention(
        mean: [Float](repeating: 128 / 255, count: 3), standardDeviation: [Float](repeating: 128 / 255, count: 3))

    /// As one multiplication and one addition per value.
    package var normalization: PixelNormalization {
        PixelNormalization(mean: mean, standardDeviation: standardDeviation, isBlueFirst: isBlueFirst)
    }
}

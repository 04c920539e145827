import Inference
import NeuralNetwork

/// A recipe's network on any device.
protocol FrameNetwork {
    /// Preferred number of frames, or windows, per call.
    var batch: Int { get }

    /// Returns the features of at most `batch` frames or windows, concatenated. `images`: each `[height, width, 3]`, or
    /// the frames of windows in order. Throws `PlanError`, `RuntimeError`.
    func features(of images: [[UInt8]]) throws -> [Float]
}

struct PlanNetwork: FrameNetwork {
    let plan: InferencePlan
    let normalization: PixelNormalization

    var batch: Int { plan.batch }

    func features(of images: [[UInt8]]) throws -> [Float] {
        try plan.run(images: images, normalization: normalization).values
    }
}

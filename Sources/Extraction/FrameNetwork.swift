import Inference
import NeuralNetwork

/// A recipe's network, wherever it runs.
protocol FrameNetwork {
    /// Frames, or windows of frames, that are best seen together.
    var batch: Int { get }

    /// Features of at most `batch` frames, or windows, one after the other.
    ///
    /// - Parameter pictures: each `[height, width, 3]`, or several of these in a row.
    /// - Throws: `PlanError`, `RuntimeError`.
    func features(of pictures: [[UInt8]]) throws -> [Float]
}

/// On this processor.
struct PlanNetwork: FrameNetwork {
    let plan: InferencePlan
    let normalization: PixelNormalization

    var batch: Int { plan.batch }

    func features(of pictures: [[UInt8]]) throws -> [Float] {
        try plan.run(pictures: pictures, normalization: normalization).values
    }
}

import Foundation
import Inference
import ONNX
import ONNXRuntime

/// What computes features.
public enum InferenceDevice: String, Sendable, CaseIterable {
    /// This processor, a network a core.
    case cpu
    /// The first NVIDIA GPU, through ONNX Runtime; this processor's cores decode for it.
    case cuda
    /// The GPU where there is one that can be used, else this processor.
    case auto

    /// Whether it is the GPU on this machine, which is tried with a very small network.
    ///
    /// - Throws: `RuntimeError` where the GPU is asked for and cannot be used.
    public func isGPU() throws -> Bool {
        switch self {
        case .cpu: return false
        case .cuda:
            try Self.trial.get()
            return true
        case .auto: return (try? Self.trial.get()) != nil
        }
    }

    private static let trial = Result {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("zoetrope-\(UUID()).onnx").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try ModelWriter.writeTrial(to: path)
        let session = try RuntimeSession(model: path, on: .cuda(.init()))
        try RuntimeExchange(session, input: .init("frames", shape: [1]), output: .init("features", shape: [1])).run()
    }
}

extension Precision {
    /// Whether a device computes with such numbers.
    public func isNative(onGPU: Bool) -> Bool { onGPU ? self != .int8 : isNative }
}

extension Extractor {
    /// Whether the device computes a recipe's network: an older GPU has no `bf16`, and says so when it is given one.
    ///
    /// - Throws: `WeightsError`, `RuntimeError` where something else is amiss.
    public func takes(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> Bool {
        guard try device.isGPU() else { return recipe.precision.isNative }
        guard recipe.precision.isNative(onGPU: true) else { return false }
        do {
            try DeviceNetwork(recipe, weights.source, batch: deviceBatch).close()
            return true
        } catch let error as RuntimeError where error.mayBeOfForm {
            return false
        }
    }

    /// How fast a recipe's network is, without decoding: on one core of this processor, or on the GPU.
    ///
    /// - `seconds`: about how long to measure.
    /// - `frames`: how many there are to see, about; finding the fastest kernels must pay.
    /// - Throws: `PlanError`, `WeightsError`, `RuntimeError`.
    public func framesPerSecond(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, seconds: Double = 2, frames: Int? = nil
    ) throws -> Double {
        guard try device.isGPU() else {
            return try FeatureExtractor.framesPerSecond(recipe, weights.packed, seconds: seconds, frames: frames)
        }
        let network = try DeviceNetwork(recipe, weights.source, batch: deviceBatch)
        defer { network.close() }
        let pictures = [(0..<network.pictureBytes * network.batch).map { UInt8(truncatingIfNeeded: $0 / 64 &* 37) }]
        func time(batches: Int) throws -> Double {
            let begin = ContinuousClock.now
            // As in an extraction, somebody always waits for the GPU.
            try runJobs(count: batches, workers: 4) {
                { _ in try network.features(of: pictures).count }
            } consume: { (_: Int, _: Int) in
            }
            return (ContinuousClock.now - begin) / .seconds(1)
        }
        let first = try time(batches: 8)
        let batches = max(8, Int(seconds / first * 8))
        return Double(batches * network.batch) / (try time(batches: batches))
    }
}

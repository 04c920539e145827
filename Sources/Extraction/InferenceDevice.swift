import Foundation
import Inference
import ONNX
import ONNXRuntime
import Threads

package enum InferenceDevice: String, Sendable, CaseIterable {
    /// The CPU, with one network per core.
    case cpu
    /// The first NVIDIA GPU, through ONNX Runtime; the CPU decodes.
    case cuda
    /// The GPU if one is usable, otherwise the CPU.
    case auto

    /// Whether the device is a GPU, tested with a very small network. Throws `RuntimeError` if the GPU is requested and
    /// unusable.
    package func isGPU() throws -> Bool {
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
    /// Whether a device supports the precision.
    package func isNative(onGPU: Bool) -> Bool { onGPU ? self != .int8 : isNative }
}

extension Extractor {
    /// Whether the device can run a recipe's network: an older GPU has no `bf16` and rejects it. Throws `WeightsError`,
    /// `RuntimeError` for other problems.
    package func takes(_ recipe: ExtractionRecipe, _ weights: LoadedWeights) throws -> Bool {
        guard try device.isGPU() else { return recipe.precision.isNative }
        guard recipe.precision.isNative(onGPU: true) else { return false }
        do {
            try DeviceNetwork(recipe, weights.source, batch: deviceBatch).close()
            return true
        } catch let error as RuntimeError where error.mayDependOnVariant {
            return false
        }
    }

    /// Throughput of a recipe's network without decoding, on one core of the CPU or on the GPU. `seconds`: approximate
    /// duration of the measurement. `frames`: expected number, against which tuning must pay off. Throws `PlanError`,
    /// `WeightsError`, `RuntimeError`.
    package func framesPerSecond(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, seconds: Double = 2, frames: Int? = nil
    ) throws -> Double {
        guard try device.isGPU() else {
            return try FeatureExtractor.framesPerSecond(recipe, weights.packed, seconds: seconds, frames: frames)
        }
        let network = try DeviceNetwork(recipe, weights.source, batch: deviceBatch)
        defer { network.close() }
        let images = [(0..<network.imageBytes * network.batch).map { UInt8(truncatingIfNeeded: $0 / 64 &* 37) }]
        func time(batches: Int) throws -> Double {
            let begin = ContinuousClock.now
            // As in an extraction, some threads always wait for the GPU.
            try runJobs(count: batches, workers: 4) {
                { _ in try network.features(of: images).count }
            } consume: { (_: Int, _: Int) in
            }
            return (ContinuousClock.now - begin) / .seconds(1)
        }
        let first = try time(batches: 8)
        let batches = max(8, Int(seconds / first * 8))
        return Double(batches * network.batch) / (try time(batches: batches))
    }
}

import Datasets
import Foundation
import NeuralNetwork
import SequenceModels
import Training

/// A training state on disk: all weights, the best ones, and the state of optimisers, schedule and random generator.
struct FineTuningCheckpoint {
    let path: String
    /// The configuration as JSON, to check that the checkpoint belongs to it.
    let configuration: String
    /// Name of the run, for errors.
    let run: String

    private struct Progress: Codable {
        var epoch: Int
        var bestEpoch: Int
        /// Nil before the first epoch.
        var bestValue: Double?
        var networkStep: Int
        var headStep: Int
        var schedule: Schedule.State
        /// A string, because JSON numbers cannot hold 64 bits.
        var generator: String

        /// Whether the values are valid; a damaged file may hold any.
        var isPossible: Bool {
            TrainingConfiguration.Ranges.epochs.contains(epoch) && (0...epoch).contains(bestEpoch)
                && [networkStep, headStep].allSatisfy { (0...1 << 48).contains($0) }
                && (try? schedule.validate("schedule")) != nil
        }
    }

    private static var parts: [(String, WritableKeyPath<FineTuningState, ParameterVector>)] {
        [
            ("network.trained.", \.network.trained), ("network.fixed.", \.network.fixed), ("head.", \.head),
            ("best.network.trained.", \.bestNetwork.trained), ("best.network.fixed.", \.bestNetwork.fixed),
            ("best.head.", \.bestHead),
        ]
    }
    private static var memories: [(String, WritableKeyPath<FineTuningState, ParameterVector?>, isHead: Bool)] {
        [
            ("optimizer.network.first.", \.networkOptimizer.first, false),
            ("optimizer.network.second.", \.networkOptimizer.second, false),
            ("optimizer.head.first.", \.headOptimizer.first, true),
            ("optimizer.head.second.", \.headOptimizer.second, true),
        ]
    }

    var exists: Bool { FileManager.default.fileExists(atPath: path) }

    /// Replaces the file atomically.
    func save(_ state: FineTuningState) throws {
        var tensors: [String: Tensor] = [:]
        func add(_ prefix: String, _ vector: ParameterVector?) {
            for (name, tensor) in vector?.tensors ?? [:] { tensors[prefix + name] = tensor }
        }
        for (prefix, part) in Self.parts { add(prefix, state[keyPath: part]) }
        for (prefix, memory, _) in Self.memories { add(prefix, state[keyPath: memory]) }
        let progress = Progress(
            epoch: state.epoch, bestEpoch: state.bestEpoch, bestValue: state.bestValue.isFinite ? state.bestValue : nil,
            networkStep: state.networkOptimizer.step, headStep: state.headOptimizer.step, schedule: state.schedule,
            generator: String(state.generator.state))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(progress), as: UTF8.self)
        try SafeTensorsWriter.write(
            tensors, metadata: ["progress": text, "configuration": configuration], to: path)
    }

    /// - Parameter state: provides the parameters' names and shapes.
    /// - Throws: `FineTuningError.otherCheckpoint`, `WeightsError`.
    func load(_ state: FineTuningState) throws -> FineTuningState {
        let file = try SafeTensorsFile(path: path)
        guard file.metadata["configuration"] == configuration, let json = file.metadata["progress"],
            let progress = try? JSONDecoder().decode(Progress.self, from: Data(json.utf8)),
            let generator = UInt64(progress.generator), progress.isPossible
        else { throw FineTuningError.otherCheckpoint(run: run) }
        /// Nil if the file does not contain all of them.
        func vector(_ prefix: String, like: ParameterVector) throws -> ParameterVector? {
            var values: [Float] = []
            for slot in like.slots {
                guard let tensor = try file.tensor(named: prefix + slot.parameter.name),
                    tensor.shape == slot.parameter.shape
                else { return nil }
                values += tensor.values
            }
            var vector = like
            vector.values = values
            return vector
        }
        var result = state
        for (prefix, part) in Self.parts {
            guard let found = try vector(prefix, like: state[keyPath: part]) else {
                throw FineTuningError.otherCheckpoint(run: run)
            }
            result[keyPath: part] = found
        }
        for (prefix, memory, isHead) in Self.memories {
            result[keyPath: memory] = try vector(prefix, like: isHead ? state.head : state.network.trained)
        }
        (result.epoch, result.bestEpoch) = (progress.epoch, progress.bestEpoch)
        result.bestValue = progress.bestValue ?? .infinity
        (result.networkOptimizer.step, result.headOptimizer.step) = (progress.networkStep, progress.headStep)
        (result.schedule, result.generator) = (progress.schedule, SplitMix64(seed: generator))
        return result
    }
}

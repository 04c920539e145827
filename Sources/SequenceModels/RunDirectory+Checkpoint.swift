import Files
import Foundation
import NeuralNetwork
import Training

extension RunDirectory {
    package var checkpoint: TrainingCheckpoint { TrainingCheckpoint(path: path + "/last.safetensors") }

    /// Replaces the checkpoint atomically. `configuration`: of the run, as JSON. `constants`: tensors that are not
    /// trained.
    func saveCheckpoint<Weights>(
        _ state: TrainingState<Weights>, configuration: String, constants: [String: Tensor] = [:]
    ) throws {
        try writing { try checkpoint.save(state, configuration: configuration, constants: constants) }
    }

    /// The configuration stored in the checkpoint. Throws `SequenceError.runDirectory`, `WeightsError`.
    package func checkpointConfiguration() throws -> Configuration {
        guard checkpoint.exists else {
            throw unusable("there is no last.safetensors to resume from. Train without --resume")
        }
        return try readingCheckpoint {
            let configuration: Configuration = try TrainingCheckpoint.decoded(
                "configuration", checkpoint.configuration())
            try configuration.validate()
            return configuration
        }
    }

    /// - Parameter start: provides the parameters' names and shapes.
    func loadCheckpoint(_ start: TrainingState<ParameterVector>) throws -> TrainingState<ParameterVector> {
        try readingCheckpoint { try checkpoint.load(start) }
    }

    private func readingCheckpoint<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as InvalidValue {
            throw unusable("in its last.safetensors, \(error.words)")
        }
    }
}

extension RunDirectory.Configuration {
    /// Differences that prevent resuming with another configuration, one line per key. The number of epochs may grow if
    /// the schedule does not depend on it, and paths and checkpoint intervals may change.
    package func differences(from other: Self) -> [String] {
        var (old, new) = (self, other)
        if new.training.epochs >= old.training.epochs && new.training.schedule.kind != .cosine {
            old.training.epochs = new.training.epochs
        }
        (old.training.checkpoint, old.cache, old.version) = (new.training.checkpoint, new.cache, new.version)
        (old.weights, old.bestEpoch) = (new.weights, new.bestEpoch)
        (old.root, old.sampledRate, old.missing) = (new.root, new.sampledRate, new.missing)
        let (first, second) = (Self.flat(old), Self.flat(new))
        return Set(first.keys).union(second.keys).sorted().compactMap { key in
            first[key] == second[key] ? nil : "\(key): \(first[key] ?? "none") → \(second[key] ?? "none")"
        }
    }

    /// Leaves of the JSON document by path.
    private static func flat(_ configuration: Self) -> [String: String] {
        guard let data = try? JSONEncoder().encode(configuration),
            let object = try? JSONSerialization.jsonObject(with: data)
        else { return [:] }
        var result: [String: String] = [:]
        func walk(_ value: Any, _ path: String) {
            if let object = value as? [String: Any] {
                for (key, value) in object { walk(value, path.isEmpty ? key : path + "." + key) }
            } else {
                result[path] = "\(value)"
            }
        }
        walk(object, "")
        return result
    }
}

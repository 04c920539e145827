import Datasets
import Files
import Foundation
import NeuralNetwork
import Training

/// `last.safetensors` of a run: the last weights under their names, the best weights, and the training state.
extension RunDirectory {
    /// The training state except its tensors.
    private struct Progress: Codable {
        var epoch: Int
        var bestEpoch: Int
        /// Nil before the first epoch.
        var bestValue: Double?
        var step: Int
        var schedule: Schedule.State
        /// A string, because JSON numbers cannot hold 64 bits.
        var generator: String

        /// Valid numbers of optimiser steps.
        private static let steps = 0...1 << 48

        /// - Throws: `InvalidValue` if training cannot continue from this state.
        func validate() throws(InvalidValue) {
            try InvalidValue.check(epoch, "progress.epoch", in: TrainingConfiguration.Ranges.epochs)
            try InvalidValue.check(bestEpoch, "progress.bestEpoch", in: 0...epoch)
            try InvalidValue.check(step, "progress.step", in: Self.steps)
            try schedule.validate("progress.schedule")
        }
    }

    private static let (best, first, second) = ("best.", "optimizer.first.", "optimizer.second.")

    /// Whether there is a checkpoint to resume from.
    package var hasCheckpoint: Bool { FileManager.default.fileExists(atPath: checkpointPath) }

    /// Replaces the checkpoint atomically.
    ///
    /// - Throws: `SequenceError.runDirectory`.
    func saveCheckpoint(_ state: TrainingState, _ head: Head, _ configuration: Configuration) throws {
        var last = head
        last.parameters = state.parameters
        var tensors = Self.tensors(of: last)
        func add(_ prefix: String, _ vector: ParameterVector?) {
            for (name, tensor) in vector?.tensors ?? [:] { tensors[prefix + name] = tensor }
        }
        add(Self.best, state.best.parameters)
        add(Self.first, state.optimizer.first)
        add(Self.second, state.optimizer.second)
        let progress = Progress(
            epoch: state.epoch, bestEpoch: state.best.epoch,
            bestValue: state.best.value.isFinite ? state.best.value : nil, step: state.optimizer.step,
            schedule: state.schedule, generator: String(state.generator.state))
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let metadata = ["progress": try Self.json(progress), "configuration": try Self.json(configuration)]
            try SafeTensorsWriter.write(tensors, metadata: metadata, to: checkpointPath)
        } catch {
            throw SequenceError.runDirectory(path: path, reason: "it cannot be written (\(error.localizedDescription))")
        }
    }

    /// The configuration stored in the checkpoint.
    ///
    /// - Throws: `SequenceError.runDirectory`, `WeightsError`.
    package func checkpointConfiguration() throws -> Configuration {
        let file = try checkpointFile()
        let configuration: Configuration = try decoded("configuration", of: file)
        do { try configuration.validate() } catch { throw damaged(error) }
        return configuration
    }

    /// The state to resume from.
    ///
    /// - Parameter head: provides the parameters' names and shapes.
    /// - Throws: `SequenceError.runDirectory`, `WeightsError`.
    func loadCheckpoint(_ head: Head) throws -> TrainingState {
        let file = try checkpointFile()
        let progress: Progress = try decoded("progress", of: file)
        do { try progress.validate() } catch { throw damaged(error) }
        guard let generator = UInt64(progress.generator) else {
            throw damaged(InvalidValue("progress.generator", "is not a 64-bit number"))
        }
        /// Nil if the file does not contain all of them.
        func vector(_ prefix: String) throws -> ParameterVector? {
            var values: [Float] = []
            for slot in head.parameters.slots {
                guard let tensor = try file.tensor(named: prefix + slot.parameter.name),
                    tensor.shape == slot.parameter.shape
                else { return nil }
                values += tensor.values
            }
            var vector = head.parameters
            vector.values = values
            return vector
        }
        var state = TrainingState(head.parameters, seed: 0)
        guard let last = try vector(""), let best = try vector(Self.best) else {
            throw damaged(InvalidValue("", "lacks weights of the head"))
        }
        state.epoch = progress.epoch
        state.parameters = last
        state.best = .init(parameters: best, value: progress.bestValue ?? .infinity, epoch: progress.bestEpoch)
        state.optimizer.step = progress.step
        state.optimizer.first = try vector(Self.first)
        state.optimizer.second = try vector(Self.second)
        state.schedule = progress.schedule
        state.generator = SplitMix64(seed: generator)
        if progress.step > 0 && state.optimizer.first == nil {
            throw damaged(InvalidValue("", "lacks the state of the optimiser"))
        }
        return state
    }

    private func checkpointFile() throws -> SafeTensorsFile {
        guard FileManager.default.fileExists(atPath: checkpointPath) else {
            throw SequenceError.runDirectory(
                path: path, reason: "there is no last.safetensors to resume from. Train without --resume")
        }
        return try SafeTensorsFile(path: checkpointPath)
    }

    /// Decodes a JSON document in the metadata.
    private func decoded<Document: Decodable>(_ name: String, of file: SafeTensorsFile) throws -> Document {
        let data = Data((file.metadata[name] ?? "").utf8)
        do {
            if let problem = JSONLimits.problem(data) { throw InvalidValue(name, "cannot be read: \(problem)") }
            return try JSONDecoder().decode(Document.self, from: data)
        } catch {
            let found = InvalidValue(error)
            throw damaged(found.key.isEmpty ? InvalidValue(name, found.problem) : found)
        }
    }

    private func damaged(_ value: InvalidValue) -> SequenceError {
        .runDirectory(path: path, reason: "in its last.safetensors, \(value.words)")
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
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

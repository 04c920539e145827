import Datasets
import Files
import Foundation
import NeuralNetwork
import Training

/// The file `last.safetensors` of a run: the last weights under their names, the best weights, and the training state.
package struct TrainingCheckpoint: Sendable {
    let path: String

    /// The training state except its tensors.
    package struct Progress: Codable {
        var epoch: Int
        var bestEpoch: Int
        /// Nil before the first epoch.
        var bestValue: Double?
        /// Steps of the optimiser, if a head is trained alone.
        package var step: Int?
        /// Steps of the optimisers, if a head is trained with its backbone.
        package var headStep, networkStep: Int?
        var schedule: Schedule.State
        /// A string, because JSON numbers cannot hold 64 bits.
        var generator: String

        /// Valid numbers of optimiser steps.
        private static let steps = 0...1 << 48

        func validate() throws(InvalidValue) {
            try InvalidValue.check(epoch, "progress.epoch", in: TrainingConfiguration.Ranges.epochs)
            try InvalidValue.check(bestEpoch, "progress.bestEpoch", in: 0...epoch)
            try InvalidValue.check(step, "progress.step", in: Self.steps)
            try InvalidValue.check(headStep, "progress.headStep", in: Self.steps)
            try InvalidValue.check(networkStep, "progress.networkStep", in: Self.steps)
            try schedule.validate("progress.schedule")
        }
    }

    package var exists: Bool { FileManager.default.fileExists(atPath: path) }

    func save<Weights>(
        _ state: TrainingState<Weights>, configuration: String, constants: [String: Tensor]
    ) throws {
        var tensors = constants
        var progress = Progress(
            epoch: state.epoch, bestEpoch: state.best.epoch,
            bestValue: state.best.value.isFinite ? state.best.value : nil, schedule: state.schedule,
            generator: String(state.generator.state))
        func add(_ prefix: String, _ vector: ParameterVector?) {
            for (name, tensor) in vector?.tensors ?? [:] { tensors[prefix + name] = tensor }
        }
        for (prefix, path) in Weights.vectors {
            add(prefix, state.weights[keyPath: path])
            add("best." + prefix, state.best.weights[keyPath: path])
        }
        for (optimizer, (prefix, steps, _)) in zip(state.optimizers, Weights.optimized) {
            add("optimizer.\(prefix)first.", optimizer.first)
            add("optimizer.\(prefix)second.", optimizer.second)
            progress[keyPath: steps] = optimizer.step
        }
        try SafeTensorsWriter.write(
            tensors, metadata: ["progress": try Self.json(progress), "configuration": configuration], to: path)
    }

    /// The configuration as it was saved; nil if there is none.
    package func configuration() throws -> String? { try SafeTensorsFile(path: path).metadata["configuration"] }

    /// `start`: provides the parameters' names and shapes. Throws `InvalidValue`, `WeightsError`.
    package func load<Weights>(_ start: TrainingState<Weights>) throws -> TrainingState<Weights> {
        let file = try SafeTensorsFile(path: path)
        let progress: Progress = try Self.decoded("progress", file.metadata["progress"])
        try progress.validate()
        guard let generator = UInt64(progress.generator) else {
            throw InvalidValue("progress.generator", "is not a 64-bit number")
        }
        var state = start
        (state.epoch, state.best.epoch) = (progress.epoch, progress.bestEpoch)
        state.best.value = progress.bestValue ?? .infinity
        (state.schedule, state.generator) = (progress.schedule, SplitMix64(seed: generator))
        for (prefix, path) in Weights.vectors {
            let like = start.weights[keyPath: path]
            guard let last = try file.vector(prefix, like: like),
                let best = try file.vector("best." + prefix, like: like)
            else { throw InvalidValue("", "lacks weights of the head") }
            state.weights[keyPath: path] = last
            state.best.weights[keyPath: path] = best
        }
        for (index, (prefix, steps, path)) in Weights.optimized.enumerated() {
            let like = start.weights[keyPath: path]
            guard let step = progress[keyPath: steps] else { throw InvalidValue("progress", "lacks a number of steps") }
            state.optimizers[index].step = step
            state.optimizers[index].first = try file.vector("optimizer.\(prefix)first.", like: like)
            state.optimizers[index].second = try file.vector("optimizer.\(prefix)second.", like: like)
            if step > 0 && state.optimizers[index].first == nil {
                throw InvalidValue("", "lacks the state of the optimiser")
            }
        }
        return state
    }

    /// Decodes a JSON document of the metadata. Throws `InvalidValue`.
    static func decoded<Document: Decodable>(_ name: String, _ text: String?) throws -> Document {
        let data = Data((text ?? "").utf8)
        if let problem = JSONLimits.problem(data) { throw InvalidValue(name, "cannot be read: \(problem)") }
        do { return try JSONDecoder().decode(Document.self, from: data) } catch {
            let found = InvalidValue(error)
            throw found.key.isEmpty ? InvalidValue(name, found.problem) : found
        }
    }

    package static func json(
        _ value: some Encodable, _ formatting: JSONEncoder.OutputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    ) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

extension SafeTensorsFile {
    /// The tensors of a vector; nil if the file does not contain all of them.
    fileprivate func vector(_ prefix: String, like: ParameterVector) throws -> ParameterVector? {
        var values: [Float] = []
        for slot in like.slots {
            guard let tensor = try tensor(named: prefix + slot.parameter.name), tensor.shape == slot.parameter.shape
            else { return nil }
            values += tensor.values
        }
        var vector = like
        vector.values = values
        return vector
    }
}

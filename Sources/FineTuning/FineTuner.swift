import Datasets
import Inference
import NeuralNetwork
import SequenceModels
import Training

/// Trains a backbone together with a head on decoded frames.
package struct FineTuner {
    package let configuration: FineTuningConfiguration
    package var threads = 1
    /// Maximum bytes in memory for frames, or for the frozen part's outputs.
    package var memory = Int.max

    package init(_ configuration: FineTuningConfiguration) { self.configuration = configuration }

    package typealias State = TrainingState<TunedWeights>
    package typealias Hooks = TrainingHooks<TunedWeights>

    package struct Result {
        /// With the weights of the best epoch.
        package let head: Head
        /// The backbone's parameters up to the tap, of the best epoch.
        package let weights: [String: Tensor]
        /// From 1; 0 if no epoch was trained.
        package let bestEpoch: Int
        package let epochs: Int
        package let ending: TrainingOutcome
        /// By split, with the weights of the best epoch; empty if cancelled.
        package let evaluations: [Split: Evaluation]
    }

    /// - `earlier`: reads the state to resume from; nil starts anew.
    /// - Throws: `FineTuningError`, `SequenceError`, `WeightsError`, `CacheError`, `PlanError`, or a callback's error.
    package func train(
        _ frames: FrameSet, resuming earlier: ((State) throws -> State)? = nil, hooks: Hooks = Hooks()
    ) throws -> Result {
        try ArithmeticLibrary.training(threads: threads) {
            let task = try FineTuningTask(configuration, frames, memory: memory)
            let loop = EpochLoop(configuration.training, task.monitor, task.head, hooks)
            let (state, ending) = try loop.run(from: task.initialState, resuming: earlier) { state, rate in
                try trainEpoch(task, rate: rate, &state, hooks)
            } validate: { state in
                try task.evaluate(state.weights, .validation, task.head.thresholds)?.metrics.map(EpochMetrics.init)
            }
            return try task.result(state, ending)
        }
    }

    /// - Returns: nil if it was interrupted.
    private func trainEpoch(
        _ task: FineTuningTask, rate: Double, _ state: inout State, _ hooks: Hooks
    ) throws -> (loss: Double, accuracy: Double)? {
        let training = configuration.training
        let batches = task.samples.shuffled(using: &state.generator).batches(of: training.batchSize)
        var (loss, correct) = (0.0, 0)
        let network = task.network
        network.parameters = state.weights.network
        var head = task.head.with(state.weights.head)
        var gradient = state.weights.network.trained
        let backboneRate =
            (configuration.backboneLearningRate ?? training.optimizer.learningRate)
            * rate / training.optimizer.learningRate
        for (number, batch) in batches.enumerated() {
            if hooks.isCancelled() { return nil }
            let rows = try task.boundary(batch, &state.generator)
            let dropout = RandomParameters(seed: state.generator.next())
            let pass = try network.forward(rows, dropout: dropout)
            let step = head.step(
                rows: pass.output.values, lengths: batch.map(\.count), examples: batch.map(\.entry),
                objective: task.objective, dropout: dropout, threads: threads)
            try network.backward(
                pass, outputGradient: Tensor(shape: pass.output.shape, values: step.rowGradient), into: &gradient)
            network.updateStatistics(pass)
            let scale = training.scale(clipping: gradient, step.gradient)
            training.optimizer.update(
                &network.parameters.trained, gradient: gradient, &state.optimizers[0], learningRate: backboneRate,
                scale: scale, parallel: Parallel(threads: threads))
            training.optimizer.update(
                &head.parameters, gradient: step.gradient, &state.optimizers[1], learningRate: rate, scale: scale)
            loss += step.loss * Double(batch.count)
            correct += step.correct
            hooks.progress(number + 1, batches.count)
        }
        state.weights = TunedWeights(network: network.parameters, head: head.parameters)
        let count = Double(task.samples.count)
        return (loss / count, Double(correct) / count)
    }
}

package struct TunedWeights: TrainableWeights {
    var network: NetworkParameters
    var head: ParameterVector

    package static var vectors: [(prefix: String, path: WritableKeyPath<Self, ParameterVector>)] {
        [("network.trained.", \.network.trained), ("network.fixed.", \.network.fixed), ("head.", \.head)]
    }
    package static var optimized: [OptimizedVector<Self>] {
        [("network.", \.networkStep, \.network.trained), ("head.", \.headStep, \.head)]
    }
}

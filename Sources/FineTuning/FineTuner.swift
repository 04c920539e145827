import Backbones
import Datasets
import Dispatch
import Extraction
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import SequenceModels
import Training
import Video

/// Trains a backbone together with a head on decoded frames.
package struct FineTuner {
    package let configuration: FineTuningConfiguration
    /// Number of threads.
    package var threads = 1
    /// Maximum bytes in memory for frames, or for the frozen part's outputs.
    package var memory = Int.max

    package init(_ configuration: FineTuningConfiguration) { self.configuration = configuration }

    /// Callbacks during training.
    package struct Hooks {
        /// Polled between batches.
        package var isCancelled: () -> Bool = { false }
        package var report: (EpochRecord) throws -> Void = { _ in }
        /// Called after each batch with the number of batches.
        package var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
        /// Called with the training state.
        package var checkpoint: (FineTuningState) throws -> Void = { _ in }

        package init() {}
    }

    package struct Result {
        /// With the weights of the best epoch.
        package let head: Head
        /// The backbone's parameters up to the tap, of the best epoch.
        package let weights: [String: Tensor]
        package let state: FineTuningState
        package let ending: Trainer.Ending
        /// By split, with the weights of the best epoch.
        package let evaluations: [Split: Evaluation]
        /// The clips with their splits.
        package let features: FeatureSet
    }

    /// - `earlier`: the state to resume from; nil starts anew.
    /// - Throws: `FineTuningError`, `SequenceError`, `WeightsError`, `CacheError`, `PlanError`, or a callback's error.
    package func train(
        _ frames: FrameSet, resuming earlier: ((FineTuningState) throws -> FineTuningState)? = nil,
        hooks: Hooks = Hooks()
    ) throws -> Result {
        try ArithmeticLibrary.training(threads: threads) { try trainFlushing(frames, earlier, hooks) }
    }

    private func trainFlushing(
        _ frames: FrameSet, _ earlier: ((FineTuningState) throws -> FineTuningState)?, _ hooks: Hooks
    ) throws -> Result {
        let task = try FineTuningTask(configuration, frames, memory: memory)
        var state = task.initialState
        if let earlier { state = try earlier(state) } else { try hooks.checkpoint(state) }
        var ending = Trainer.Ending.finished
        let training = configuration.training
        while state.epoch < training.epochs {
            if let patience = training.earlyStopping?.patience, state.epoch > 0,
                state.epoch - state.bestEpoch >= patience
            {
                ending = .stoppedEarly
                break
            }
            let begin = ContinuousClock.now
            var next = state
            let rate = training.schedule.rate(
                epoch: state.epoch + 1, of: training.epochs, base: training.optimizer.learningRate, state.schedule)
            guard let (loss, accuracy) = try trainEpoch(task, rate: rate, &next, hooks) else {
                // An interrupted epoch is repeated when training resumes.
                ending = .cancelled
                break
            }
            guard loss.isFinite, next.network.trained.areFinite, next.head.areFinite else {
                guard state.bestEpoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            let metrics = try task.evaluate(next.network, next.head, .validation)?.metrics
            // An epoch with non-finite scores must never be selected.
            guard metrics?.isFinite ?? true else {
                guard state.bestEpoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            next.epoch += 1
            let record = EpochRecord(
                epoch: next.epoch, learningRate: rate, trainLoss: loss, trainAccuracy: accuracy,
                validationLoss: metrics?.finiteLoss, validationAccuracy: metrics?.accuracy,
                seconds: (ContinuousClock.now - begin) / .seconds(1))
            let value = task.value(record)
            if value < next.bestValue { next.keep(value: value) }
            training.schedule.observe(
                metrics?.finiteLoss ?? loss, epoch: next.epoch, base: training.optimizer.learningRate, &next.schedule)
            state = next
            try hooks.report(record)
            if state.epoch % training.checkpoint == 0 { try hooks.checkpoint(state) }
        }
        if ending != .diverged { try hooks.checkpoint(state) }
        return try task.result(state, ending)
    }

    /// - Returns: nil if it was interrupted.
    private func trainEpoch(
        _ task: FineTuningTask, rate: Double, _ state: inout FineTuningState, _ hooks: Hooks
    ) throws -> (loss: Double, accuracy: Double)? {
        let training = configuration.training
        let samples = task.samples.shuffled(using: &state.generator)
        let starts = Array(stride(from: 0, to: samples.count, by: training.batchSize))
        var (loss, correct) = (0.0, 0)
        let network = task.network
        network.parameters = state.network
        var head = task.head
        head.parameters = state.head
        var gradient = state.network.trained
        let backboneRate =
            (configuration.backboneLearningRate ?? training.optimizer.learningRate)
            * rate / training.optimizer.learningRate
        for (number, start) in starts.enumerated() {
            if hooks.isCancelled() { return nil }
            let batch = Array(samples[start..<min(start + training.batchSize, samples.count)])
            let rows = try task.boundary(batch, &state.generator)
            let dropout = RandomParameters(seed: state.generator.next())
            let pass = try network.forward(rows, dropout: dropout)
            let step = head.step(
                rows: pass.output.values, lengths: batch.map(\.count), targets: batch.map(\.target), loss: task.loss,
                dropout: dropout, threads: threads)
            try network.backward(
                pass, outputGradient: Tensor(shape: pass.output.shape, values: step.rowGradient), into: &gradient)
            network.updateStatistics(pass)
            let scale = clip(gradient, step.gradient)
            training.optimizer.update(
                &network.parameters.trained, gradient: gradient, &state.networkOptimizer, learningRate: backboneRate,
                scale: scale, parallel: Parallel(threads: threads))
            training.optimizer.update(
                &head.parameters, gradient: step.gradient, &state.headOptimizer, learningRate: rate, scale: scale)
            loss += step.loss * Double(batch.count)
            correct += step.correct
            hooks.progress(number + 1, starts.count)
        }
        (state.network, state.head) = (network.parameters, head.parameters)
        return (loss / Double(samples.count), Double(correct) / Double(samples.count))
    }

    /// Scale for clipping both gradients by their joint norm.
    private func clip(_ first: ParameterVector, _ second: ParameterVector) -> Float {
        guard let limit = configuration.training.clipNorm else { return 1 }
        let norm = (first.norm * first.norm + second.norm * second.norm).squareRoot()
        return Float(min(1, limit / (norm + 1e-6)))
    }
}

/// The complete training state between two epochs.
package struct FineTuningState {
    var epoch = 0
    /// Epoch of the best weights, from 1; 0 before the first.
    var bestEpoch = 0
    var bestValue = Double.infinity
    var network: NetworkParameters
    var head: ParameterVector
    var bestNetwork: NetworkParameters
    var bestHead: ParameterVector
    var networkOptimizer = Optimizer.State()
    var headOptimizer = Optimizer.State()
    var schedule = Schedule.State()
    var generator: SplitMix64

    init(_ network: NetworkParameters, _ head: ParameterVector, seed: Int) {
        (self.network, self.head, bestNetwork, bestHead) = (network, head, network, head)
        generator = SplitMix64(seed: UInt64(bitPattern: Int64(seed)))
    }

    mutating func keep(value: Double) {
        (bestValue, bestEpoch) = (value, epoch)
        (bestNetwork, bestHead) = (network, head)
    }
}

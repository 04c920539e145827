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

/// Trains a network together with a head on decoded frames.
public struct FineTuner {
    /// What is trained, and how.
    public let configuration: FineTuningConfiguration
    /// Threads that share the work.
    public var threads = 1
    /// Bytes that frames, or what the frozen part makes of them, may take in memory.
    public var memory = Int.max

    /// A tuner; it has no state.
    public init(_ configuration: FineTuningConfiguration) { self.configuration = configuration }

    /// What is told on the way.
    public struct Hooks {
        /// Asked between batches.
        public var isCancelled: () -> Bool = { false }
        /// Called after each epoch.
        public var report: (EpochRecord) throws -> Void = { _ in }
        /// Called after each batch, with how many there are.
        public var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
        /// Called with what is needed to go on.
        public var checkpoint: (FineTuningState) throws -> Void = { _ in }

        /// Nothing is told.
        public init() {}
    }

    /// What training gave.
    public struct Result {
        /// With the weights of the best epoch.
        public let head: Head
        /// Every parameter of the network up to the tap, of the same epoch.
        public let weights: [String: Tensor]
        /// Where training stands.
        public let state: FineTuningState
        /// Why it ended.
        public let ending: Trainer.Ending
        /// By split, of the best epoch's weights.
        public let evaluations: [Split: Evaluation]
        /// The clips as they were used.
        public let features: FeatureSet
    }

    /// - `earlier`: where to go on; nil begins.
    /// - Throws: `FineTuningError`, `SequenceError`, `WeightsError`, `CacheError`, `PlanError`, or what a hook throws.
    public func train(
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
                // The epoch that was interrupted is trained anew.
                ending = .cancelled
                break
            }
            guard loss.isFinite, next.network.trained.areFinite, next.head.areFinite else {
                guard state.bestEpoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            let metrics = try task.evaluate(next.network, next.head, .validation)?.metrics
            // Scores that are no numbers cannot be right, and must never be the best.
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

    /// - Returns: nil where it was interrupted.
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

    /// What both gradients are multiplied by, as if they were one vector.
    private func clip(_ first: ParameterVector, _ second: ParameterVector) -> Float {
        guard let limit = configuration.training.clipNorm else { return 1 }
        let norm = (first.norm * first.norm + second.norm * second.norm).squareRoot()
        return Float(min(1, limit / (norm + 1e-6)))
    }
}

/// Everything that training remembers between two epochs.
public struct FineTuningState {
    /// Epochs that were trained.
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

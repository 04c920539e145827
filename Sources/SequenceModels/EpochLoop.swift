import FeatureCache

package enum TrainingOutcome: Sendable, Equatable {
    case finished, stoppedEarly, cancelled
    /// The loss or a validation score became infinite or NaN in the epoch after the last; the best weights are from
    /// before.
    case diverged
}

package struct TrainingHooks<Weights: TrainableWeights> {
    /// Polled before each epoch, and before each batch if a backbone is trained.
    package var isCancelled: () -> Bool = { false }
    package var report: (EpochRecord) throws -> Void = { _ in }
    /// Called after each batch of a backbone's training with the number of batches.
    package var progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    /// Called at the beginning, at the configured interval, and at the end. The head's own parameters are not those of
    /// the state.
    package var checkpoint: (TrainingState<Weights>, Head) throws -> Void = { _, _ in }

    package init() {}
}

/// The epochs of a training: learning rates, model selection, early stopping, cancellation and checkpoints.
package struct EpochLoop<Weights: TrainableWeights> {
    package typealias State = TrainingState<Weights>

    package let configuration: TrainingConfiguration
    package let monitor: TrainingConfiguration.Monitor
    package let head: Head
    package let hooks: TrainingHooks<Weights>
    /// Stops after this epoch without changing the schedule; nil trains all epochs.
    var stopsAfter: Int?
    /// Waits until the data is verified; nil if it is. Nothing is reported or stored before.
    var verify: (() throws -> Void)?

    package init(
        _ configuration: TrainingConfiguration, _ monitor: TrainingConfiguration.Monitor, _ head: Head,
        _ hooks: TrainingHooks<Weights>
    ) {
        (self.configuration, self.monitor, self.head, self.hooks) = (configuration, monitor, head, hooks)
    }

    /// Trains until the last epoch, and keeps the weights of the best one.
    ///
    /// - `earlier`: reads the state to resume from; nil starts with `start`.
    /// - `train`: trains one epoch with a learning rate; returns nil if cancelled, and the epoch is then repeated when
    ///   training resumes.
    /// - `validate`: nil without a validation set.
    /// - Throws: `SequenceError.diverged` if there is no finite epoch, or a callback's error.
    package func run(
        from start: State, resuming earlier: ((State) throws -> State)?,
        train: (inout State, _ rate: Double) throws -> (loss: Double, accuracy: Double)?,
        validate: (State) throws -> EpochMetrics?
    ) throws -> (state: State, ending: TrainingOutcome) {
        var state = try earlier?(start) ?? start
        // A checkpoint before the first epoch allows resuming a run that dies in it.
        var unsaved = earlier == nil ? state : nil
        func saveUnsaved() throws {
            try verify?()
            guard let first = unsaved else { return }
            unsaved = nil
            try hooks.checkpoint(first, head)
        }
        if verify == nil { try saveUnsaved() }
        var ending = TrainingOutcome.finished
        while state.epoch < min(configuration.epochs, stopsAfter ?? .max) {
            if isOutOfPatience(state) {
                ending = .stoppedEarly
                break
            }
            let begin = ContinuousClock.now
            var next = state
            let rate = configuration.schedule.rate(
                epoch: state.epoch + 1, of: configuration.epochs, base: configuration.optimizer.learningRate,
                state.schedule)
            guard !hooks.isCancelled(), let (loss, accuracy) = try train(&next, rate) else {
                ending = .cancelled
                break
            }
            let isFinite = loss.isFinite && next.weights.areFinite
            let metrics = isFinite ? try validate(next) : nil
            // An epoch with non-finite scores must never be selected.
            guard isFinite, metrics?.isFinite ?? true else {
                guard state.best.epoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            next.epoch += 1
            let record = EpochRecord(
                epoch: next.epoch, learningRate: rate, trainLoss: loss, trainAccuracy: accuracy,
                validationLoss: metrics?.loss, validationAccuracy: metrics?.accuracy,
                validationMAP: metrics?.meanAveragePrecision,
                seconds: (ContinuousClock.now - begin) / .seconds(1))
            let value = record.value(monitor)
            if value < next.best.value { next.best = .init(weights: next.weights, value: value, epoch: next.epoch) }
            configuration.schedule.observe(
                metrics?.loss ?? loss, epoch: next.epoch, base: configuration.optimizer.learningRate,
                &next.schedule)
            state = next
            try saveUnsaved()
            try hooks.report(record)
            if state.epoch % configuration.checkpoint == 0 { try hooks.checkpoint(state, head) }
        }
        try saveUnsaved()
        // A diverged epoch changed nothing: the previous checkpoint is kept.
        if ending != .diverged { try hooks.checkpoint(state, head) }
        return (state, ending)
    }

    private func isOutOfPatience(_ state: State) -> Bool {
        guard let patience = configuration.earlyStopping?.patience else { return false }
        return state.epoch > 0 && state.epoch - state.best.epoch >= patience
    }
}

import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Training

/// The training loop of sequence heads.
package struct Trainer: Sendable {
    package let configuration: TrainingConfiguration
    /// Number of threads; results do not depend on it.
    package var threads = 1
    /// Stops after this epoch without changing the schedule; nil trains all epochs.
    var stopsAfter: Int?

    package init(_ configuration: TrainingConfiguration, threads: Int = 1) {
        self.configuration = configuration
        self.threads = threads
    }

    package struct Result: Sendable {
        /// The head with the weights of the best epoch.
        package let head: Head
        /// The training state after the last epoch.
        package let state: TrainingState
        /// From 1; 0 if no epoch was trained.
        package var bestEpoch: Int { state.best.epoch }
        package var epochs: Int { state.epoch }
        /// Why training ended.
        package let ending: Ending
    }

    package enum Ending: Sendable, Equatable {
        case finished, stoppedEarly, cancelled
        /// The loss or a validation score became infinite or NaN in the epoch after the last; the best weights are from
        /// before.
        case diverged
    }

    /// Callbacks during training.
    package struct Hooks {
        package var isCancelled: () -> Bool = { false }
        package var report: (EpochRecord) throws -> Void = { _ in }
        /// Called with the training state at the beginning, at the configured interval, and at the end.
        package var checkpoint: (TrainingState, Head) throws -> Void = { _, _ in }

        package init() {}
    }

    /// Trains a head and keeps the weights of the best epoch: the one with the best monitored value, or the lowest
    /// validation loss without early stopping.
    ///
    /// - `shape`: of one frame's features; nil for vectors.
    /// - `earlier`: the state to resume from; nil starts anew.
    /// - Returns: after the features are verified.
    /// - Throws: `SequenceError`, `CacheError`, or a callback's error.
    package func train(
        _ features: FeatureSet, _ partition: Partition, input: HeadConfiguration.Input? = nil,
        resuming earlier: ((Head) throws -> TrainingState)? = nil, hooks: Hooks = Hooks()
    ) throws -> Result {
        do {
            return try flushingDenormals {
                try trainVerifying(features, partition, input, earlier, hooks)
            }
        } catch {
            // Damaged features can cause divergence or non-finite values, so their error takes precedence.
            try features.requireVerified()
            throw error
        }
    }

    private func trainVerifying(
        _ features: FeatureSet, _ partition: Partition, _ input: HeadConfiguration.Input?,
        _ earlier: ((Head) throws -> TrainingState)?, _ hooks: Hooks
    ) throws -> Result {
        let monitor = try self.monitor(features, partition)
        try checkFinite(features)
        var head = try makeHead(features, partition, input)
        head.plan.parallel = Parallel(threads: threads)
        let task = Task(features, partition, head.labels, configuration)
        var state = try earlier?(head) ?? TrainingState(head.parameters, seed: configuration.seed)
        head.parameters = state.parameters
        // A checkpoint before the first epoch allows resuming a run that dies in it.
        var start = earlier == nil ? (state: state, head: head) : nil
        // Checksums may still be verified during the first epoch; nothing is reported before they are.
        func settle() throws {
            try features.requireVerified()
            guard let first = start else { return }
            start = nil
            try hooks.checkpoint(first.state, first.head)
        }
        if features.verification == nil { try settle() }
        var ending = Ending.finished
        while state.epoch < min(configuration.epochs, stopsAfter ?? .max) {
            if hasLostPatience(state) {
                ending = .stoppedEarly
                break
            }
            if hooks.isCancelled() {
                ending = .cancelled
                break
            }
            let begin = ContinuousClock.now
            let rate = configuration.schedule.rate(
                epoch: state.epoch + 1, of: configuration.epochs, base: configuration.optimizer.learningRate,
                state.schedule)
            let (loss, accuracy) = try trainEpoch(&head, task, rate: rate, &state)
            guard loss.isFinite, head.parameters.areFinite else {
                guard state.best.epoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            let metrics = try validate(head, task)
            // An epoch with non-finite scores must never be selected.
            guard metrics?.isFinite ?? true else {
                guard state.best.epoch > 0 else { throw SequenceError.diverged(epoch: state.epoch + 1) }
                ending = .diverged
                break
            }
            state.epoch += 1
            state.parameters = head.parameters
            let record = EpochRecord(
                epoch: state.epoch, learningRate: rate, trainLoss: loss, trainAccuracy: accuracy,
                validationLoss: metrics?.finiteLoss, validationAccuracy: metrics?.accuracy,
                seconds: (ContinuousClock.now - begin) / .seconds(1))
            let value = record.value(monitor)
            if value < state.best.value {
                state.best = .init(parameters: head.parameters, value: value, epoch: state.epoch)
            }
            configuration.schedule.observe(
                metrics?.finiteLoss ?? loss, epoch: state.epoch, base: configuration.optimizer.learningRate,
                &state.schedule)
            try settle()
            try hooks.report(record)
            if state.epoch % configuration.checkpoint == 0 { try hooks.checkpoint(state, head) }
        }
        try settle()
        // The optimiser state of a diverged epoch is useless: the previous checkpoint is kept.
        if ending != .diverged { try hooks.checkpoint(state, head) }
        head.parameters = state.best.parameters
        return Result(head: head, state: state, ending: ending)
    }

    private func hasLostPatience(_ state: TrainingState) -> Bool {
        guard let patience = configuration.earlyStopping?.patience else { return false }
        return state.epoch > 0 && state.epoch - state.best.epoch >= patience
    }

    /// Values that are constant over epochs.
    private struct Task {
        let features: FeatureSet
        let train: [Int]
        let validation: [Int]
        /// Class index of each example; classes unknown to training come last and are never correct.
        let targets: [Int]
        let labels: [String]
        let loss: CrossEntropy

        init(
            _ features: FeatureSet, _ partition: Partition, _ labels: [String], _ configuration: TrainingConfiguration
        ) {
            let all = Metrics.labels(of: labels, and: partition.validation.map { features.examples[$0].label })
            let classes = Dictionary(all.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            let targets = features.examples.map { classes[$0.label] ?? all.count }
            self.features = features
            self.labels = all
            self.targets = targets
            train = partition.train
            validation = partition.validation
            loss = CrossEntropy(
                labelSmoothing: configuration.labelSmoothing,
                classWeights: configuration.classWeights.values(
                    labels, counts: partition.train.reduce(into: [:]) { $0[targets[$1], default: 0] += 1 }))
        }
    }

    /// One training sequence, or one frame.
    private struct Sample {
        let span: FeatureSet.Span
        let target: Int
    }

    /// The samples of an epoch in shuffled order: one randomly sampled view per video.
    private func samples(_ task: Task, _ generator: inout SplitMix64) -> [Sample] {
        let all = task.train.flatMap { index -> [Sample] in
            let views = task.features.examples[index].views
            let span = views.count > 1 ? views[Int.random(in: 0..<views.count, using: &generator)] : views[0]
            let spans = configuration.model.kind == .frame ? span.frames : [span]
            return spans.map { Sample(span: $0, target: task.targets[index]) }
        }
        return all.shuffled(using: &generator)
    }

    private func trainEpoch(
        _ head: inout Head, _ task: Task, rate: Double, _ state: inout TrainingState
    ) throws -> (loss: Double, accuracy: Double) {
        let samples = samples(task, &state.generator)
        let starts = Array(stride(from: 0, to: samples.count, by: configuration.batchSize))
        func part(_ start: Int) -> ArraySlice<Sample> {
            samples[start..<min(start + configuration.batchSize, samples.count)]
        }
        var gradient = ParameterVector(zerosFor: head.plan.graph)
        var (loss, correct) = (0.0, 0)
        let batches = BatchSource(head, task.features, spans: starts.map { part($0).map(\.span) })
        for start in starts {
            let targets = part(start).map(\.target)
            let dropout = RandomParameters(seed: state.generator.next())
            let pass = head.plan.forward(try batches.next(), head.parameters, dropout: dropout)
            let (batchLoss, outputGradient) = task.loss(pass.output, targets: targets)
            head.plan.backward(pass, outputGradient: outputGradient, head.parameters, into: &gradient)
            configuration.optimizer.update(
                &head.parameters, gradient: gradient, &state.optimizer, learningRate: rate, scale: clip(gradient),
                parallel: head.plan.parallel)
            loss += batchLoss * Double(targets.count)
            correct += Metrics.correct(pass.output, targets: targets)
        }
        return (loss / Double(samples.count), Double(correct) / Double(samples.count))
    }

    /// Gradient scale of `torch.nn.utils.clip_grad_norm_`.
    private func clip(_ gradient: ParameterVector) -> Float {
        guard let limit = configuration.clipNorm else { return 1 }
        return Float(min(1, limit / (gradient.norm + 1e-6)))
    }

    private func validate(_ head: Head, _ task: Task) throws -> Metrics? {
        if task.validation.isEmpty { return nil }
        let logits = try head.logits(task.features, task.validation)
        return Metrics(logits: logits, targets: task.validation.map { task.targets[$0] }, labels: task.labels)
    }

    /// The metric for model selection.
    private func monitor(_ features: FeatureSet, _ partition: Partition) throws -> TrainingConfiguration.Monitor {
        let classes = Set(configuration.model.kind.classes(features, partition))
        // Clips of classes that training lacks have no loss.
        let canValidate = partition.validation.contains { classes.contains(features.examples[$0].label) }
        guard let monitor = configuration.earlyStopping?.monitor else {
            return canValidate ? .validationLoss : .trainLoss
        }
        if monitor.wantsValidation && !canValidate {
            throw SequenceError.noValidation(
                monitor: monitor.rawValue, share: partition.validation.isEmpty ? configuration.validation : 0,
                smallest: partition.smallestValidation(
                    features, than: configuration.validation, seed: configuration.seed))
        }
        return monitor
    }

    private func checkFinite(_ features: FeatureSet) throws {
        let spans = features.examples.flatMap(\.views)
        let paths = features.examples.flatMap { example in example.views.map { _ in example.path } }
        try features.forEachSequence(spans) { index, rows in
            if !rows.areFinite { throw SequenceError.notFinite(video: paths[index]) }
        }
    }

    /// A head with initial parameters and sorted labels.
    private func makeHead(
        _ features: FeatureSet, _ partition: Partition, _ input: HeadConfiguration.Input?
    ) throws -> Head {
        let labels = configuration.model.kind.classes(features, partition)
        guard labels.count > 1 else {
            throw labels.first.map(SequenceError.oneClass) ?? SequenceError.noTraining(dataset: "")
        }
        if case .named(let weights) = configuration.classWeights {
            for label in weights.keys.sorted() where !labels.contains(label) {
                throw SequenceError.unknownClass(label, available: labels)
            }
        }
        let longest = features.examples.flatMap(\.views).map(\.length).max() ?? 1
        let input = input ?? .init(shape: [features.featureSize], maximumLength: longest)
        let spans = partition.train.flatMap { features.examples[$0].views }
        return try Head(
            configuration.model, labels: labels, input: input,
            standardization: configuration.standardize ? try Standardization(features, spans: spans) : nil,
            from: try initialParameters(labels, input))
    }

    private func initialParameters(
        _ labels: [String], _ input: HeadConfiguration.Input
    ) throws -> any ParameterSource {
        if configuration.initialWeights == nil, let texts = configuration.texts { return try texts.parameters(labels) }
        guard let path = configuration.initialWeights else {
            return RandomParameters(seed: UInt64(bitPattern: Int64(configuration.seed)))
        }
        return try openHeadWeights(
            path: path, for: configuration.model.graph(input, classes: labels.count).parameters)
    }
}

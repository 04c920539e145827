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

    package typealias State = TrainingState<ParameterVector>
    package typealias Hooks = TrainingHooks<ParameterVector>

    package struct Result: Sendable {
        /// The head with the weights of the best epoch.
        package let head: Head
        /// From 1; 0 if no epoch was trained.
        package let bestEpoch: Int
        package let epochs: Int
        package let ending: TrainingOutcome
    }

    /// Trains a head and keeps the weights of the best epoch: the one with the best monitored value, or the lowest
    /// validation loss without early stopping. `input`: of the head; nil for vectors. `earlier`: the state to resume
    /// from; nil starts anew. Returns after the features are verified. Throws `SequenceError`, `CacheError`, or a
    /// callback's error.
    package func train(
        _ features: FeatureSet, _ partition: Partition, input: HeadConfiguration.Input? = nil,
        resuming earlier: ((State) throws -> State)? = nil, hooks: Hooks = Hooks()
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
        _ earlier: ((State) throws -> State)?, _ hooks: Hooks
    ) throws -> Result {
        let monitor = try configuration.monitor(features, partition)
        try checkFinite(features)
        var head = try makeHead(features, partition, input)
        head.plan.parallel = Parallel(threads: threads)
        let task = Task(features, partition, head.labels, configuration)
        var loop = EpochLoop(configuration, monitor, head, hooks)
        loop.stopsAfter = stopsAfter
        // Checksums may still be verified during the first epoch.
        if features.verification != nil { loop.verify = features.requireVerified }
        let (state, ending) = try loop.run(
            from: State(head.parameters, seed: configuration.seed), resuming: earlier
        ) { state, rate in
            try trainEpoch(head, task, rate: rate, &state)
        } validate: { state in
            try validate(head.with(state.weights), task)
        }
        return Result(
            head: head.with(state.best.weights), bestEpoch: state.best.epoch, epochs: state.epoch, ending: ending)
    }

    /// Values that are constant over epochs.
    private struct Task {
        let features: FeatureSet
        let train: [Int]
        let validation: [Int]
        let objective: Objective

        init(
            _ features: FeatureSet, _ partition: Partition, _ labels: [String], _ configuration: TrainingConfiguration
        ) {
            self.features = features
            train = partition.train
            validation = partition.validation
            objective = Objective(
                configuration, labels: labels, truths: features.examples.map(\.label), training: partition.train)
        }
    }

    /// One training sequence, or one frame.
    private struct Sample {
        let span: FeatureSet.Span
        let example: Int
    }

    /// The samples of an epoch in shuffled order: one randomly sampled view per video.
    private func samples(_ task: Task, _ generator: inout SplitMix64) -> [Sample] {
        let all = task.train.flatMap { index -> [Sample] in
            let views = task.features.examples[index].views
            let span = views.count > 1 ? views[Int.random(in: 0..<views.count, using: &generator)] : views[0]
            let spans = configuration.model.kind == .frame ? span.frames : [span]
            return spans.map { Sample(span: $0, example: index) }
        }
        return all.shuffled(using: &generator)
    }

    private func trainEpoch(
        _ start: Head, _ task: Task, rate: Double, _ state: inout State
    ) throws -> (loss: Double, accuracy: Double) {
        var head = start.with(state.weights)
        let batches = samples(task, &state.generator).batches(of: configuration.batchSize)
        var gradient = ParameterVector(zerosFor: head.plan.graph)
        var (loss, correct) = (0.0, 0)
        var source = BatchSource(head, task.features, spans: batches.map { $0.map(\.span) })
        for batch in batches {
            let examples = batch.map(\.example)
            let dropout = RandomParameters(seed: state.generator.next())
            let pass = head.plan.forward(try source.next(), head.parameters, dropout: dropout)
            let (batchLoss, outputGradient) = task.objective(pass.output, examples)
            head.plan.backward(pass, outputGradient: outputGradient, head.parameters, into: &gradient)
            configuration.optimizer.update(
                &head.parameters, gradient: gradient, &state.optimizers[0], learningRate: rate,
                scale: configuration.scale(clipping: gradient), parallel: head.plan.parallel)
            loss += batchLoss * Double(examples.count)
            correct += task.objective.correct(pass.output, examples)
        }
        state.weights = head.parameters
        let count = Double(batches.joined().count)
        return (loss / count, Double(correct) / count)
    }

    private func validate(_ head: Head, _ task: Task) throws -> EpochMetrics? {
        if task.validation.isEmpty { return nil }
        let logits = try head.logits(task.features, task.validation)
        let truths = task.validation.map { task.features.examples[$0].label }
        return head.task == .classification
            ? EpochMetrics(head.metrics(logits, truths: truths))
            : EpochMetrics(LabelScores(head.probabilityRows(logits), truths: truths, labels: head.labels))
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
        let labels = try configuration.model.kind.requiredClasses(features, partition, configuration.labelTask)
        try configuration.model.kind.check(
            positive: configuration.positive, among: labels, option: "`sequence.positive`")
        for (key, weights) in [
            ("class_weights", configuration.classWeights), ("pos_weight", configuration.positiveWeights ?? .equal),
        ] {
            guard case .named(let weights) = weights else { continue }
            for label in weights.keys.sorted() where !labels.contains(label) {
                throw SequenceError.unknownClass(label, key: key, available: labels)
            }
        }
        let longest = features.examples.flatMap(\.views).map(\.length).max() ?? 1
        let input = input ?? .init(shape: [features.featureSize], maximumLength: longest)
        let spans = partition.train.flatMap { features.examples[$0].views }
        return try Head(
            configuration.model, labels: labels, input: input,
            standardization: configuration.standardize ? try Standardization(features, spans: spans) : nil,
            task: configuration.labelTask,
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

import Datasets
import FeatureCache
import Foundation
import NeuralNetwork

/// The training loop of stage 2.
public struct Trainer: Sendable {
    /// How to train.
    public let configuration: TrainingConfiguration

    /// A trainer; it has no state.
    public init(_ configuration: TrainingConfiguration) { self.configuration = configuration }

    /// What training gave.
    public struct Result: Sendable {
        /// The head with the weights of the best epoch.
        public let head: Head
        /// From 1; 0 where no epoch was trained.
        public let bestEpoch: Int
        /// Epochs that were trained.
        public let epochs: Int
        /// Whether it was stopped before the end.
        public let wasCancelled: Bool
    }

    /// Trains a head on the training part and keeps the weights of the best epoch: the one with the best
    /// monitored value, or the lowest validation loss where nothing is monitored.
    ///
    /// - Parameter report: called after each epoch.
    /// - Throws: `SequenceError`, or what `report` throws.
    public func train(
        _ features: FeatureSet, _ partition: Partition, isCancelled: () -> Bool = { false },
        report: (EpochRecord) throws -> Void
    ) throws -> Result {
        let monitor = try self.monitor(partition)
        var head = try makeHead(features, partition)
        let classes = Dictionary(uniqueKeysWithValues: head.labels.enumerated().map { ($1, $0) })
        let targets = features.examples.map { classes[$0.label] ?? -1 }
        // A label that training lacks cannot be validated.
        let validation = partition.validation.filter { targets[$0] >= 0 }

        var state = Optimizer.State()
        var generator = SplitMix64(seed: UInt64(bitPattern: Int64(configuration.seed)))
        var best = (parameters: head.parameters, value: Double.infinity, epoch: 0)
        var epoch = 0
        while epoch < configuration.epochs, !isCancelled() {
            epoch += 1
            let begin = ContinuousClock.now
            let (loss, accuracy) = trainEpoch(
                &head, features, partition.train.shuffled(using: &generator), targets, &state, &generator)
            guard loss.isFinite else { throw SequenceError.diverged(epoch: epoch) }
            let metrics = Metrics(
                logits: head.logits(features, validation), targets: validation.map { targets[$0] }, labels: head.labels)
            let hasValidation = !validation.isEmpty
            try report(
                EpochRecord(
                    epoch: epoch, learningRate: configuration.optimizer.learningRate, trainLoss: loss,
                    trainAccuracy: accuracy, validationLoss: hasValidation ? metrics.loss : nil,
                    validationAccuracy: hasValidation ? metrics.accuracy : nil,
                    seconds: (ContinuousClock.now - begin) / .seconds(1)))
            let value =
                switch monitor {
                case .validationLoss: metrics.loss
                case .validationAccuracy: -metrics.accuracy
                case .trainLoss: loss
                }
            if value < best.value { best = (head.parameters, value, epoch) }
            if let patience = configuration.earlyStopping?.patience, epoch - best.epoch >= patience { break }
        }
        head.parameters = best.parameters
        return Result(head: head, bestEpoch: best.epoch, epochs: epoch, wasCancelled: isCancelled())
    }

    private func trainEpoch(
        _ head: inout Head, _ features: FeatureSet, _ order: [Int], _ targets: [Int], _ state: inout Optimizer.State,
        _ generator: inout SplitMix64
    ) -> (loss: Double, accuracy: Double) {
        var (loss, correct) = (0.0, 0)
        for start in stride(from: 0, to: order.count, by: configuration.batchSize) {
            let indices = order[start..<min(start + configuration.batchSize, order.count)]
            let wanted = indices.map { targets[$0] }
            let dropout = RandomParameters(seed: generator.next())
            let pass = head.plan.forward(head.batch(features, indices), head.parameters, dropout: dropout)
            let (batchLoss, gradient, _) = crossEntropy(pass.output, targets: wanted)
            let gradients = head.plan.backward(pass, outputGradient: gradient, head.parameters)
            configuration.optimizer.update(&head.parameters, gradient: gradients, &state)
            loss += batchLoss * Double(indices.count)
            correct += Metrics(logits: pass.output, targets: wanted, labels: head.labels).correctWithin[0]
        }
        return (loss / Double(order.count), Double(correct) / Double(order.count))
    }

    /// What decides which epoch is best.
    private func monitor(_ partition: Partition) throws -> TrainingConfiguration.Monitor {
        guard let monitor = configuration.earlyStopping?.monitor else {
            return partition.validation.isEmpty ? .trainLoss : .validationLoss
        }
        if monitor.wantsValidation && partition.validation.isEmpty {
            throw SequenceError.noValidation(monitor: monitor.rawValue)
        }
        return monitor
    }

    /// A head with fresh parameters, its labels sorted.
    private func makeHead(_ features: FeatureSet, _ partition: Partition) throws -> Head {
        let labels = Set(partition.train.map { features.examples[$0].label }).sorted()
        guard labels.count > 1 else {
            throw labels.first.map(SequenceError.oneClass) ?? SequenceError.noTraining(dataset: "")
        }
        for example in features.examples {
            let rows = example.firstRow * features.featureSize
            let values = features.rows[rows..<rows + example.length * features.featureSize]
            if !values.allSatisfy(\.isFinite) { throw SequenceError.notFinite(video: example.path) }
        }
        let standardization = configuration.standardize ? Standardization(features, examples: partition.train) : nil
        return try Head(
            configuration.model, labels: labels, featureSize: features.featureSize, standardization: standardization,
            from: RandomParameters(seed: UInt64(bitPattern: Int64(configuration.seed))))
    }
}

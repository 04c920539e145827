import NeuralNetwork

/// The `sequence` part of a pipeline.
public struct TrainingConfiguration: Sendable, Equatable, Codable {
    /// What an epoch is judged by.
    public enum Monitor: String, Sendable, CaseIterable, Codable {
        case validationLoss = "validation_loss"
        case validationAccuracy = "validation_accuracy"
        case trainLoss = "train_loss"

        var wantsValidation: Bool { self != .trainLoss }
    }

    /// Ends training when the monitored value has not improved for `patience` epochs.
    public struct EarlyStopping: Sendable, Equatable, Codable {
        /// What is watched.
        public var monitor: Monitor
        /// Epochs without improvement that are endured.
        public var patience: Int

        /// What is left out has the default of a pipeline file.
        public init(monitor: Monitor = .validationLoss, patience: Int) {
            self.monitor = monitor
            self.patience = patience
        }
    }

    /// The head.
    public var model: HeadConfiguration
    /// Scales features by the mean and deviation of the training rows.
    public var standardize: Bool
    /// How parameters follow their gradients.
    public var optimizer: Optimizer
    /// Sequences in a step.
    public var batchSize: Int
    /// At most so many passes over the training part.
    public var epochs: Int
    /// Nil trains all epochs.
    public var earlyStopping: EarlyStopping?
    /// Of initial weights, order, dropout and the validation part.
    public var seed: Int
    /// Share of train set aside where the dataset has no validation part.
    public var validation: Double

    /// What is left out has the default of a pipeline file.
    public init(
        model: HeadConfiguration, standardize: Bool = false,
        optimizer: Optimizer = Optimizer(kind: .adam, learningRate: 1e-3), batchSize: Int = 32, epochs: Int = 20,
        earlyStopping: EarlyStopping? = nil, seed: Int = 42, validation: Double = 0.2
    ) {
        self.model = model
        self.standardize = standardize
        self.optimizer = optimizer
        self.batchSize = batchSize
        self.epochs = epochs
        self.earlyStopping = earlyStopping
        self.seed = seed
        self.validation = validation
    }
}

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
        public var monitor: Monitor
        public var patience: Int

        public init(monitor: Monitor = .validationLoss, patience: Int) {
            self.monitor = monitor
            self.patience = patience
        }
    }

    public var model: HeadConfiguration
    /// Scales features by the mean and deviation of the training rows.
    public var standardize: Bool
    public var optimizer: Optimizer
    public var batchSize: Int
    public var epochs: Int
    public var earlyStopping: EarlyStopping?
    public var seed: Int
    /// Share of train set aside where the dataset has no validation part.
    public var validation: Double

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

import Files
import Training

/// The `sequence` part of a pipeline.
public struct TrainingConfiguration: Sendable, Equatable, Codable {
    /// What an epoch is judged by.
    public enum Monitor: String, Sendable, CaseIterable, Codable {
        case validationLoss = "validation_loss"
        case validationAccuracy = "validation_accuracy"
        case trainLoss = "train_loss"
        case trainAccuracy = "train_accuracy"

        var wantsValidation: Bool { self == .validationLoss || self == .validationAccuracy }
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

    /// How much each class counts in the loss.
    public enum ClassWeights: Sendable, Equatable, Codable {
        case equal
        /// Clips / (classes · clips of the class), as scikit-learn's `balanced`.
        case balanced
        /// By label; classes that are not named count 1.
        case named([String: Double])
    }

    /// The head.
    public var model: HeadConfiguration
    /// Scales features by the mean and deviation of the training rows.
    public var standardize: Bool
    /// How parameters follow their gradients.
    public var optimizer: Optimizer
    /// How the learning rate changes.
    public var schedule: Schedule
    /// Largest Euclidean length of the gradient; longer ones are shortened to it. Nil leaves them.
    public var clipNorm: Double?
    /// Share of each target that is spread over all classes, from 0 to below 1.
    public var labelSmoothing: Double
    /// How much each class counts.
    public var classWeights: ClassWeights
    /// Sequences in a step; frames for the frame head.
    public var batchSize: Int
    /// At most so many passes over the training part; 0 applies the initial weights.
    public var epochs: Int
    /// Nil trains all epochs.
    public var earlyStopping: EarlyStopping?
    /// Epochs between two checkpoints; training can be resumed from the last one.
    public var checkpoint: Int
    /// Cached views of each video that training draws from, the plain one included.
    public var views: Int
    /// Whether predictions average all views; else they are made from the plain one.
    public var averagesViews: Bool
    /// Weight file of the head to begin with; nil begins at random.
    public var initialWeights: String?
    /// Of initial weights, order, dropout and the validation part.
    public var seed: Int
    /// Share of train set aside where the dataset has no validation part.
    public var validation: Double
    /// Parts that all but the test part is cut into, each predicted by a model of the others; nil does not.
    public var folds: Int?
    /// Times that it is cut anew; nil once.
    public var repeats: Int?
    /// Whether the class scores are scaled at the end so that probabilities say how often they are right, on the
    /// validation part or the folds; nil does not.
    public var calibrates: Bool?
    /// The classes' names as vectors, for heads that read them: made anew for each training, and not part of what is kept.
    public var texts: ClassTexts?

    private enum CodingKeys: String, CodingKey {
        case model, standardize, optimizer, schedule, clipNorm, labelSmoothing, classWeights, batchSize, epochs
        case earlyStopping, checkpoint, views, averagesViews, initialWeights, seed, validation, folds, repeats,
            calibrates
    }

    /// What the numbers of a configuration may be.
    package enum Ranges {
        package static let clipNorm = NumberRange.positive
        package static let labelSmoothing = NumberRange.share
        package static let classWeight = NumberRange.positive
        package static let batchSize = 1...1_000_000
        package static let epochs = 0...1_000_000
        package static let checkpoint = 1...1_000_000
        package static let patience = 1...Int.max
        package static let views = 1...1000
        package static let validation = NumberRange.share
        package static let folds = 2...1000
        package static let repeats = 1...1000
    }

    /// - Parameter key: where it stands.
    /// - Throws: `InvalidValue` if a value is one that no pipeline can state.
    func validate(_ key: String) throws(InvalidValue) {
        try model.validate(key + ".model")
        try optimizer.validate(key + ".optimizer")
        try schedule.validate(key + ".schedule")
        try InvalidValue.check(clipNorm, key + ".clipNorm", in: Ranges.clipNorm)
        try InvalidValue.check(labelSmoothing, key + ".labelSmoothing", in: Ranges.labelSmoothing)
        if case .named(let weights) = classWeights {
            for (label, weight) in weights.sorted(by: { $0.key < $1.key }) {
                try InvalidValue.check(weight, key + ".classWeights." + label, in: Ranges.classWeight)
            }
        }
        try InvalidValue.check(batchSize, key + ".batchSize", in: Ranges.batchSize)
        try InvalidValue.check(epochs, key + ".epochs", in: Ranges.epochs)
        try InvalidValue.check(checkpoint, key + ".checkpoint", in: Ranges.checkpoint)
        try InvalidValue.check(earlyStopping?.patience, key + ".earlyStopping.patience", in: Ranges.patience)
        try InvalidValue.check(views, key + ".views", in: Ranges.views)
        try InvalidValue.check(validation, key + ".validation", in: Ranges.validation)
        try InvalidValue.check(folds, key + ".folds", in: Ranges.folds)
        try InvalidValue.check(repeats, key + ".repeats", in: Ranges.repeats)
    }

    /// What is left out has the default of a pipeline file.
    public init(
        model: HeadConfiguration, standardize: Bool = false,
        optimizer: Optimizer = Optimizer(kind: .adam, learningRate: 1e-3), schedule: Schedule = Schedule(),
        clipNorm: Double? = nil, labelSmoothing: Double = 0, classWeights: ClassWeights = .equal, batchSize: Int = 32,
        epochs: Int = 20, earlyStopping: EarlyStopping? = nil, checkpoint: Int = 10, views: Int = 1,
        averagesViews: Bool = false, initialWeights: String? = nil, seed: Int = 42, validation: Double = 0.2
    ) {
        self.model = model
        self.standardize = standardize
        self.optimizer = optimizer
        self.schedule = schedule
        self.clipNorm = clipNorm
        self.labelSmoothing = labelSmoothing
        self.classWeights = classWeights
        self.batchSize = batchSize
        self.epochs = epochs
        self.earlyStopping = earlyStopping
        self.checkpoint = checkpoint
        self.views = views
        self.averagesViews = averagesViews
        self.initialWeights = initialWeights
        self.seed = seed
        self.validation = validation
    }
}

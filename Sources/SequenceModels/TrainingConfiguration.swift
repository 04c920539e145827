import Datasets
import Files
import Training

/// The `sequence` section of a pipeline.
package struct TrainingConfiguration: Sendable, Equatable, Codable {
    /// The metric for model selection.
    package enum Monitor: String, Sendable, CaseIterable, Codable {
        case validationLoss = "validation_loss"
        case validationAccuracy = "validation_accuracy"
        /// Mean average precision, for several labels a clip.
        case validationMAP = "validation_map"
        case trainLoss = "train_loss"
        case trainAccuracy = "train_accuracy"

        var wantsValidation: Bool { [.validationLoss, .validationAccuracy, .validationMAP].contains(self) }
    }

    /// Ends training when the monitored value has not improved for `patience` epochs.
    package struct EarlyStopping: Sendable, Equatable, Codable {
        package var monitor: Monitor
        package var patience: Int

        package init(monitor: Monitor = .validationLoss, patience: Int) {
            self.monitor = monitor
            self.patience = patience
        }
    }

    /// Class weights in the loss.
    package enum ClassWeights: Sendable, Equatable, Codable {
        case equal
        /// n / (classes · n of the class), as scikit-learn's `balanced`.
        case balanced
        /// By label; other classes have weight 1.
        case named([String: Double])
    }

    /// The task of the data set; nil is classification, as in runs of older versions.
    package var task: DatasetConfiguration.Task?
    package var labelTask: DatasetConfiguration.Task { task ?? .classification }
    package var model: HeadConfiguration
    /// Whether features are standardised with the training rows' mean and standard deviation.
    package var standardize: Bool
    package var optimizer = Optimizer(kind: .adam, learningRate: 1e-3)
    package var schedule = Schedule()
    /// Maximum L2 norm for gradient clipping; nil disables it.
    package var clipNorm: Double?
    /// Of two classes, the one that ROC curve, precision and recall are of; nil is the second.
    package var positive: String?
    /// Label smoothing, from 0 to below 1.
    package var labelSmoothing = 0.0
    package var classWeights = ClassWeights.equal
    /// Weight of each label's positives in the binary cross-entropy, as PyTorch's `pos_weight`; nil is 1.
    package var positiveWeights: ClassWeights?
    /// γ of the focal loss (Lin et al. 2017, arXiv:1708.02002); nil is binary cross-entropy.
    package var focal: Double?
    /// Sequences per step; frames for the frame head.
    package var batchSize = 32
    /// Maximum number of epochs; 0 evaluates the initial weights.
    package var epochs: Int
    /// Nil trains all epochs.
    package var earlyStopping: EarlyStopping?
    /// Epochs between checkpoints, from which training can be resumed.
    package var checkpoint = 10
    /// Augmented views of each video to sample from, the unaugmented one included.
    package var views = 1
    /// Whether predictions average all augmented views; otherwise they use the unaugmented one.
    package var averagesViews = false
    /// Weight file with the head's initial weights; nil initialises randomly.
    package var initialWeights: String?
    /// Seed of initial weights, shuffling, dropout and the validation split.
    package var seed = 42
    /// Fraction of the training set used for validation if the data set has no validation split.
    package var validation: Double
    /// Number of cross-validation folds; nil disables cross-validation.
    package var folds: Int?
    /// Number of cross-validation repetitions; nil is 1.
    package var repeats: Int?
    /// Whether temperature scaling is fitted at the end, on the validation set or the folds; nil is false.
    package var calibrates: Bool?
    /// Embeddings of the class names for heads that start from them; computed for each training and not stored.
    package var texts: ClassTexts?

    private enum CodingKeys: String, CodingKey {
        case model, standardize, optimizer, schedule, clipNorm, labelSmoothing, classWeights, batchSize, epochs
        case earlyStopping, checkpoint, views, averagesViews, initialWeights, seed, validation, folds, repeats,
            calibrates, task, positiveWeights, focal, positive
    }

    package enum Ranges {
        package static let clipNorm = NumberRange.positive
        package static let labelSmoothing = NumberRange.share
        package static let classWeight = NumberRange.positive
        package static let focal = NumberRange.positive(atMost: 100)
        package static let batchSize = 1...1_000_000
        package static let epochs = 0...1_000_000
        package static let checkpoint = 1...1_000_000
        package static let patience = 1...Int.max
        package static let views = 1...1000
        package static let validation = NumberRange.share
        package static let folds = 2...1000
        package static let repeats = 1...1000
    }

    func validate(_ key: String) throws(InvalidValue) {
        try model.validate(key + ".model")
        try optimizer.validate(key + ".optimizer")
        try schedule.validate(key + ".schedule")
        try InvalidValue.check(clipNorm, key + ".clipNorm", in: Ranges.clipNorm)
        try InvalidValue.check(labelSmoothing, key + ".labelSmoothing", in: Ranges.labelSmoothing)
        for (name, weights) in [("classWeights", classWeights), ("positiveWeights", positiveWeights ?? .equal)] {
            guard case .named(let weights) = weights else { continue }
            for (label, weight) in weights.sorted(by: { $0.key < $1.key }) {
                try InvalidValue.check(weight, "\(key).\(name).\(label)", in: Ranges.classWeight)
            }
        }
        try InvalidValue.check(focal, key + ".focal", in: Ranges.focal)
        try InvalidValue.check(batchSize, key + ".batchSize", in: Ranges.batchSize)
        try InvalidValue.check(epochs, key + ".epochs", in: Ranges.epochs)
        try InvalidValue.check(checkpoint, key + ".checkpoint", in: Ranges.checkpoint)
        try InvalidValue.check(earlyStopping?.patience, key + ".earlyStopping.patience", in: Ranges.patience)
        try InvalidValue.check(views, key + ".views", in: Ranges.views)
        try InvalidValue.check(validation, key + ".validation", in: Ranges.validation)
        try InvalidValue.check(folds, key + ".folds", in: Ranges.folds)
        try InvalidValue.check(repeats, key + ".repeats", in: Ranges.repeats)
    }

    package init(model: HeadConfiguration, standardize: Bool = false, epochs: Int = 20, validation: Double = 0.2) {
        (self.model, self.standardize, self.epochs, self.validation) = (model, standardize, epochs, validation)
    }
}

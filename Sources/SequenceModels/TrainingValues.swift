import Datasets
import FeatureCache
import Training

extension TrainingConfiguration {
    /// The metric for model selection. Throws `SequenceError.noValidation` if it needs a validation set and there is
    /// none.
    package func monitor(_ features: FeatureSet, _ partition: Partition) throws -> Monitor {
        let classes = Set(model.kind.classes(features, partition, labelTask))
        // Clips of classes that training lacks have no loss.
        let canValidate = partition.validation.contains {
            labelTask == .multilabel || classes.contains(features.examples[$0].label)
        }
        guard let monitor = earlyStopping?.monitor else { return canValidate ? .validationLoss : .trainLoss }
        if monitor.wantsValidation && !canValidate {
            throw SequenceError.noValidation(
                monitor: monitor.rawValue, share: partition.validation.isEmpty ? validation : 0,
                smallest: partition.smallestValidation(features, than: validation, seed: seed, task: labelTask))
        }
        return monitor
    }

    /// Gradient scale of `torch.nn.utils.clip_grad_norm_`, with the joint norm of all gradients.
    package func scale(clipping gradients: ParameterVector...) -> Float {
        guard let limit = clipNorm else { return 1 }
        let norm = gradients.reduce(0) { $0 + $1.norm * $1.norm }.squareRoot()
        return Float(min(1, limit / (norm + 1e-6)))
    }
}

extension HeadConfiguration.Kind {
    /// The classes or labels of a head that is trained, sorted. Throws `SequenceError.oneClass` if there is only one
    /// class, `.noTraining` or `.noLabels` if there are none.
    package func requiredClasses(
        _ features: FeatureSet, _ partition: Partition, _ task: DatasetConfiguration.Task
    ) throws -> [String] {
        let labels = classes(features, partition, task)
        if task == .multilabel, labels.isEmpty, !partition.train.isEmpty { throw SequenceError.noLabels }
        guard labels.count > (task == .multilabel ? 0 : 1) else {
            throw labels.first.map(SequenceError.oneClass) ?? SequenceError.noTraining(dataset: "")
        }
        return labels
    }

    /// `option`: the name of the option or key. Throws `SequenceError.unknownPositive` unless it is nil, or one of two
    /// classes.
    func check(positive: String?, among labels: [String], option: String) throws {
        guard let positive, labels.count != 2 || !labels.contains(positive) else { return }
        throw SequenceError.unknownPositive(positive, option: option, available: labels)
    }

    /// A head's classes or labels: those of the training set, or all without training.
    func classes(_ features: FeatureSet, _ partition: Partition, _ task: DatasetConfiguration.Task) -> [String] {
        let known = self == .zeroShot ? Array(features.examples.indices) : partition.train
        return Set(known.flatMap { task.names(in: features.examples[$0].label) }).sorted()
    }
}

extension TrainingConfiguration {
    /// With several labels a clip, those without training clips, sorted; empty if no training clip has a label.
    package func labelsWithoutTraining(_ features: FeatureSet, _ partition: Partition) -> [String] {
        guard labelTask == .multilabel else { return [] }
        let known = Set(model.kind.classes(features, partition, labelTask))
        if known.isEmpty { return [] }
        return Set(features.examples.flatMap { labelTask.names(in: $0.label) }).subtracting(known).sorted()
    }
}

extension EpochRecord {
    /// Lower is better.
    func value(_ monitor: TrainingConfiguration.Monitor) -> Double {
        switch monitor {
        case .validationLoss: validationLoss ?? .infinity
        case .validationAccuracy: -(validationAccuracy ?? 0)
        case .validationMAP: validationMAP.map { $0.isFinite ? -$0 : .infinity } ?? .infinity
        case .trainLoss: trainLoss
        case .trainAccuracy: -trainAccuracy
        }
    }
}

extension TrainingConfiguration.ClassWeights {
    /// In the order of the labels; empty if all are equal.
    func values(_ labels: [String], counts: [Int: Int]) -> [Double] {
        switch self {
        case .equal: return []
        case .named(let weights): return labels.map { weights[$0] ?? 1 }
        case .balanced:
            let total = Double(counts.values.reduce(0, +))
            return labels.indices.map { total / (Double(labels.count) * Double(counts[$0] ?? 1)) }
        }
    }

    /// Weights of each label's positives among `total` clips; `balanced` is negatives over positives.
    func positiveValues(_ labels: [String], counts: [Int: Int], of total: Int) -> [Double] {
        guard self == .balanced else { return values(labels, counts: counts) }
        return labels.indices.map { place in
            let positives = Double(counts[place] ?? 0)
            return positives > 0 && positives < Double(total) ? (Double(total) - positives) / positives : 1
        }
    }
}

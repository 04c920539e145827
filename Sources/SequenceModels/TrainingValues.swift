import FeatureCache

extension HeadConfiguration.Kind {
    /// A head's classes: those of the training set, or all without training.
    func classes(_ features: FeatureSet, _ partition: Partition) -> [String] {
        let known = self == .zeroShot ? Array(features.examples.indices) : partition.train
        return Set(known.map { features.examples[$0].label }).sorted()
    }
}

extension EpochRecord {
    /// Lower is better.
    func value(_ monitor: TrainingConfiguration.Monitor) -> Double {
        switch monitor {
        case .validationLoss: validationLoss ?? .infinity
        case .validationAccuracy: -(validationAccuracy ?? 0)
        case .trainLoss: trainLoss
        case .trainAccuracy: -trainAccuracy
        }
    }
}

extension TrainingConfiguration.ClassWeights {
    /// In the order of the labels; empty if all are equal.
    package func values(_ labels: [String], counts: [Int: Int]) -> [Double] {
        switch self {
        case .equal: return []
        case .named(let weights): return labels.map { weights[$0] ?? 1 }
        case .balanced:
            let total = Double(counts.values.reduce(0, +))
            return labels.indices.map { total / (Double(labels.count) * Double(counts[$0] ?? 1)) }
        }
    }
}

import Datasets
import FeatureCache

/// The split of examples into training, validation and test: the data set's own, with validation split from the
/// training set if there is none.
package struct Partition: Sendable, Equatable {
    /// Indices into `FeatureSet.examples`.
    package let train: [Int]
    /// Used for model selection.
    package let validation: [Int]
    /// Used neither for training nor for model selection.
    package let test: [Int]

    package init(train: [Int], validation: [Int], test: [Int]) {
        (self.train, self.validation, self.test) = (train, validation, test)
    }

    /// `validation`: fraction of the training set, from 0 to below 1. `seed`: of the sampling.
    package init(
        _ features: FeatureSet, validation fraction: Double, seed: Int,
        task: DatasetConfiguration.Task = .classification
    ) {
        self.init(
            features.examples.map { ($0.label, $0.group, $0.path) }, splits: features.examples.map(\.split),
            validation: fraction, seed: seed, task: task)
    }

    /// For clips without features, as `sequence` will divide them after extraction.
    package init(
        _ clips: [Clip], validation fraction: Double, seed: Int, task: DatasetConfiguration.Task = .classification
    ) {
        self.init(
            clips.map { ($0.label, $0.group, $0.path) }, splits: clips.map(\.split.rawValue), validation: fraction,
            seed: seed, task: task)
    }

    private init(
        _ examples: [(label: String, group: String?, name: String)], splits: [String], validation fraction: Double,
        seed: Int, task: DatasetConfiguration.Task
    ) {
        func indices(_ split: Split) -> [Int] { splits.indices.filter { splits[$0] == split.rawValue } }
        let own = indices(.train)
        test = indices(.test)
        let given = indices(.validation)
        if !given.isEmpty || fraction == 0 {
            (train, validation) = (own, given)
            return
        }
        let chosen = ValidationSplit.choose(
            fraction: fraction, examples: own.map { examples[$0] }, seed: UInt64(bitPattern: Int64(seed)), task: task)
        train = zip(own, chosen).filter { !$1 }.map(\.0)
        validation = zip(own, chosen).filter { $1 }.map(\.0)
    }

    package subscript(split: Split) -> [Int] {
        switch split {
        case .train: train
        case .validation: validation
        case .test: test
        }
    }

    /// The smallest fraction of the training clips that gives every class a validation clip if it can have one; nil if
    /// `fraction` is 0, or there is a validation set.
    func smallestValidation(
        _ features: FeatureSet, than fraction: Double, seed: Int, task: DatasetConfiguration.Task
    ) -> Double? {
        guard fraction > 0, validation.isEmpty else { return nil }
        return ValidationSplit.smallestFraction(
            examples: train.map {
                (features.examples[$0].label, features.examples[$0].group, features.examples[$0].path)
            },
            seed: UInt64(bitPattern: Int64(seed)), task: task)
    }
}

import Datasets
import FeatureCache

/// Which example is for what: the dataset's own splits, with validation carved out of train where the
/// dataset has none.
public struct Partition: Sendable, Equatable {
    /// Indices into `FeatureSet.examples`, by split.
    public let train: [Int]
    /// Decides which epoch is best.
    public let validation: [Int]
    /// Never trained on, nor used to choose an epoch.
    public let test: [Int]

    /// Clips by what they are for.
    public init(train: [Int], validation: [Int], test: [Int]) {
        (self.train, self.validation, self.test) = (train, validation, test)
    }

    /// - `validation`: share of train to set aside, from 0 to below 1.
    /// - `seed`: of the choice.
    public init(_ features: FeatureSet, validation fraction: Double, seed: Int) {
        self.init(
            features.examples.map { ($0.label, $0.group, $0.path) }, splits: features.examples.map(\.split),
            validation: fraction, seed: seed)
    }

    /// The same of clips without features, as `sequence` divides them once all are extracted.
    public init(_ clips: [Clip], validation fraction: Double, seed: Int) {
        self.init(
            clips.map { ($0.label, $0.group, $0.path) }, splits: clips.map(\.split.rawValue), validation: fraction,
            seed: seed)
    }

    private init(
        _ examples: [(label: String, group: String?, name: String)], splits: [String], validation fraction: Double,
        seed: Int
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
            fraction: fraction, examples: own.map { examples[$0] }, seed: UInt64(bitPattern: Int64(seed)))
        train = zip(own, chosen).filter { !$1 }.map(\.0)
        validation = zip(own, chosen).filter { $1 }.map(\.0)
    }

    /// The clips of a split.
    public subscript(split: Split) -> [Int] {
        switch split {
        case .train: train
        case .validation: validation
        case .test: test
        }
    }

    /// The smallest share of the training clips that gives every class a validation clip that can have one; nil if none is asked
    /// for with `fraction`, or there is a validation part.
    package func smallestValidation(_ features: FeatureSet, than fraction: Double, seed: Int) -> Double? {
        guard fraction > 0, validation.isEmpty else { return nil }
        return ValidationSplit.smallestFraction(
            examples: train.map {
                (features.examples[$0].label, features.examples[$0].group, features.examples[$0].path)
            },
            seed: UInt64(bitPattern: Int64(seed)))
    }
}

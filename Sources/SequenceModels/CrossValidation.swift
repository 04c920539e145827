import Datasets
import FeatureCache
import Foundation

/// Group-aware cross-validation on cached features: every clip outside the test set is predicted by models that were
/// trained on no clip of its source.
package struct CrossValidation: Sendable {
    /// The configuration of each model. Its `validation` share of the training folds is used for model selection, never
    /// the held-out fold.
    package let training: TrainingConfiguration
    /// At least 2.
    package let folds: Int
    /// Number of repetitions with other folds, at least 1.
    package let repeats: Int
    /// Clips with their features; a given validation set is divided into folds like the training set.
    package let features: FeatureSet
    package let input: HeadConfiguration.Input
    /// Indices of the clips that are divided into folds.
    package let pool: [Int]
    /// Indices of the test clips.
    package let test: [Int]
    /// For each repetition, the fold of each clip of the pool.
    let assignments: [[Int]]

    /// - Throws: `FoldError`; `SequenceError.noTraining` if there are no clips to divide.
    package init(
        _ training: TrainingConfiguration, folds: Int, repeats: Int, features: FeatureSet,
        input: HeadConfiguration.Input
    ) throws {
        self.training = training
        self.folds = folds
        self.repeats = repeats
        self.input = input
        let features = features.placing {
            $0.split == Split.validation.rawValue ? Split.train.rawValue : $0.split
        }
        self.features = features
        let pooled = features.examples
        let pool = pooled.indices.filter { pooled[$0].split == Split.train.rawValue }
        if pool.isEmpty { throw SequenceError.noTraining(dataset: "") }
        self.pool = pool
        test = pooled.indices.filter { pooled[$0].split == Split.test.rawValue }
        let examples = pool.map { (label: pooled[$0].label, group: pooled[$0].group, name: pooled[$0].path) }
        assignments = try (0..<repeats).map { number in
            try Folds.assign(
                folds, examples: examples, seed: SplitMix64.hash("folds", seed: training.bits(number)),
                task: training.labelTask)
        }
    }

    package var count: Int { folds * repeats }

    /// One model with its out-of-fold predictions.
    package struct Fit: Sendable {
        /// From 0.
        package let index: Int
        /// The weights of the best epoch.
        package let head: Head
        /// From 1.
        package let bestEpoch: Int
        /// On the part of the training folds used for model selection; nil without one.
        package let inner: RunMetrics?
        /// Number of training clips.
        package let trained: Int
        package let heldOut: Evaluation
        /// Its clips; the held-out fold is `test`.
        package let partition: Partition
        /// Whether its loss or a score became infinite or NaN; the weights are those from before.
        package let isDiverged: Bool
    }

    /// Trains one model; nil if cancelled.
    ///
    /// - `index`: below `count`; all folds of a repetition, then those of the next.
    /// - `share`: fraction of the training folds to use, sampled by source; 1 uses all.
    /// - `training`: overrides `training`.
    /// - Throws: `SequenceError`, also `.diverged` if no epoch gave finite scores of all its clips, `CacheError`;
    ///   `FoldError.lost` if no training clip of a class is left.
    package func fit(
        _ index: Int, share: Double = 1, training other: TrainingConfiguration? = nil, threads: Int = 1,
        isCancelled: @escaping () -> Bool = { false }
    ) throws -> Fit? {
        let (number, fold) = (index / folds, index % folds)
        let assignment = assignments[number]
        var configuration = other ?? training
        configuration.seed = Int(truncatingIfNeeded: configuration.bits(number))
        var own = zip(pool, assignment).filter { $1 != fold }.map(\.0)
        let held = zip(pool, assignment).filter { $1 == fold }.map(\.0)
        if share < 1 { own = part(of: own, share: share, seed: SplitMix64.hash("share", seed: configuration.bits(0))) }
        var validation = Set(chosen(own, share: configuration.validation, seed: configuration.bits(0)))
        // With a small share, every class keeps training clips before any clip is used for validation.
        if share < 1 { validation.subtract(wholeClasses(of: own, in: validation)) }
        if validation.isEmpty, configuration.validation > 0,
            configuration.earlyStopping?.monitor.wantsValidation == true
        {
            // Without a validation set, all epochs are trained.
            configuration.earlyStopping = nil
        }
        let partition = Partition(
            train: own.filter { !validation.contains($0) }, validation: own.filter(validation.contains), test: held)
        // All models must have the same classes, because their probabilities are combined.
        let lost = names(of: pool).subtracting(names(of: partition.train))
        guard lost.isEmpty else { throw FoldError.lost(labels: lost.sorted()) }
        var hooks = Trainer.Hooks()
        hooks.isCancelled = isCancelled
        let result = try Trainer(configuration, threads: threads).train(
            features, partition, input: input, hooks: hooks)
        if result.ending == .cancelled { return nil }
        let (head, inner) = try result.head.choosingThresholds(
            features, partition.validation, averagingViews: configuration.averagesViews)
        let heldOut = try Evaluation(
            head, features, partition.test, split: .validation, averagingViews: configuration.averagesViews)
        guard heldOut.unscored == 0 else { throw SequenceError.diverged(epoch: max(1, result.bestEpoch)) }
        return Fit(
            index: index, head: head, bestEpoch: result.bestEpoch, inner: inner, trained: own.count, heldOut: heldOut,
            partition: partition, isDiverged: result.ending == .diverged)
    }

    /// Classes or labels of clips.
    private func names(of indices: some Sequence<Int>) -> Set<String> {
        Set(indices.flatMap { training.labelTask.names(in: features.examples[$0].label) })
    }

    /// Clips of classes whose clips are all in `chosen`.
    private func wholeClasses(of indices: [Int], in chosen: Set<Int>) -> [Int] {
        let kept = names(of: indices.filter { !chosen.contains($0) })
        return chosen.filter { !kept.isSuperset(of: names(of: [$0])) }
    }

    /// Samples a fraction of clips in which every class has at least one source.
    private func part(of indices: [Int], share: Double, seed: UInt64) -> [Int] {
        var chosen = Set(chosen(indices, share: share, seed: seed))
        let present = names(of: chosen)
        for label in names(of: indices).subtracting(present).sorted() {
            let own = indices.filter { names(of: [$0]).contains(label) }
            let first = own.min { features.examples[$0].path < features.examples[$1].path }.map {
                features.examples[$0]
            }
            chosen.formUnion(
                own.filter { index in
                    features.examples[index].path == first?.path
                        || first?.group != nil && features.examples[index].group == first?.group
                })
        }
        return indices.filter(chosen.contains)
    }

    /// Samples a fraction of clips, stratified by class and grouped by source.
    private func chosen(_ indices: [Int], share: Double, seed: UInt64) -> [Int] {
        let examples = indices.map { features.examples[$0] }
        let isChosen = ValidationSplit.choose(
            fraction: share, examples: examples.map { ($0.label, $0.group, $0.path) }, seed: seed,
            task: training.labelTask)
        return zip(indices, isChosen).filter(\.1).map(\.0)
    }
}

extension TrainingConfiguration {
    /// The seed of a repetition; the first one uses the seed itself.
    fileprivate func bits(_ number: Int) -> UInt64 { UInt64(bitPattern: Int64(seed &+ number)) }
}

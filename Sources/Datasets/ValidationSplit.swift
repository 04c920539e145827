import Foundation

/// A seeded validation split, stratified by label and grouped by source.
package enum ValidationSplit {
    /// Whether each example belongs to validation. Groups are visited in a seeded order; each is selected if that
    /// brings the labels' counts nearer to `fraction` of each. For the task `multilabel`, iterative stratification
    /// into two subsets. An example without a group is a group of its own. `fraction`: from 0 to below 1. `examples`:
    /// label, group and a unique name such as the path; the result depends on these and the seed, not on the order.
    package static func choose(
        fraction: Double, examples: [(label: String, group: String?, name: String)], seed: UInt64,
        task: DatasetConfiguration.Task = .classification
    ) -> [Bool] { Sources(examples, seed: seed, task: task).chosen(fraction: fraction) }

    /// The smallest fraction, in hundredths, with which every class has clips in both splits; classes with a single
    /// source, which cannot, are ignored. Nil if no fraction up to one half suffices.
    package static func smallestFraction(
        examples: [(label: String, group: String?, name: String)], seed: UInt64,
        task: DatasetConfiguration.Task = .classification
    ) -> Double? {
        let sources = Sources(examples, seed: seed, task: task)
        let counts = sources.counts
        let divisible = Set(counts.filter { $0.value > 1 }.keys)
        guard !divisible.isEmpty else { return nil }
        return (1...50).lazy.map { Double($0) / 100 }.first { fraction in
            let chosen = zip(sources.names, sources.chosen(fraction: fraction))
            return Set(chosen.filter(\.1).flatMap(\.0)).isSuperset(of: divisible)
                && Set(chosen.filter { !$0.1 }.flatMap(\.0)).isSuperset(of: divisible)
        }
    }

    /// Maximum number of folds, up to five, for every class; nil if some class has a single source.
    package static func mostFolds(
        examples: [(label: String, group: String?, name: String)], task: DatasetConfiguration.Task = .classification
    ) -> Int? {
        let fewest = Sources(examples, seed: 0, task: task).counts.values.min() ?? 0
        return fewest > 1 ? min(5, fewest) : nil
    }
}

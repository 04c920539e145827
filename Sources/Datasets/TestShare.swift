/// A problem with the test set selected by `dataset.test`, and a fraction that avoids it.
package struct TestShareProblem: Equatable, Sendable {
    package let share: Double
    /// Classes, or labels of the task `multilabel`, without a test clip; all of them if the test set is empty.
    package let classes: [String]
    package let isEmpty: Bool
    /// Whether clips are grouped by source.
    package let isGrouped: Bool
    /// The smallest fraction that gives every class a test clip if it can have one; nil if none does.
    package let smallest: Double?
    /// Maximum number of folds for every class; nil if some class has a single source.
    package let folds: Int?
    package var task = DatasetConfiguration.Task.classification

    /// The problem and a remedy, as two sentences.
    package var text: String {
        let names = classes.prefix(8).joined(separator: ", ") + (classes.count > 8 ? ", …" : "")
        let (one, several) = task == .multilabel ? ("label", "labels") : ("class", "classes")
        let what =
            isEmpty
            ? "`dataset.test: \(share)` selects no clip: it is less than half a \(isGrouped ? "source" : "clip") of "
                + "every \(one). "
            : "`dataset.test: \(share)` gives \(classes.count == 1 ? "the \(one)" : "\(classes.count) \(several)") no "
                + "test clip: \(names). "
        let larger = smallest.flatMap { $0 > share ? "\($0)" : nil }
        let without = folds.map { "remove `test` and cross-validate with --folds \($0)" }
        switch (larger, without) {
        case (let larger?, let without?): return what + "Set it to \(larger) or more, or \(without)."
        case (let larger?, nil): return what + "Set it to \(larger) or more."
        case (nil, let without?): return what + "To test all \(several), \(without)."
        case (nil, nil):
            return what
                + (classes.count == 1
                    ? "Add clips of other sources to this \(one), or leave it out with `dataset.classes`."
                    : "Add clips of other sources to these \(several), or leave them out with `dataset.classes`.")
        }
    }
}

extension DatasetConfiguration {
    /// Assigns splits to the clips of a cache: the data set's own, with the fraction for `test`. Caches of older
    /// versions stored that fraction as if it were the data set's own split. The data set's folder or lists decide if
    /// they exist; otherwise a stored test set must equal the one that `test` selects. `clips`: all clips of the data
    /// set except the excluded ones, with the splits stored in the cache. Throws `DatasetError.storedTest`.
    package func placed(_ clips: [Clip]) throws -> [Clip] {
        let own = clips.contains { $0.split == .test } ? ownSplits(clips) : clips
        guard test > 0 else { return own }
        let stored = own.filter { $0.split == .test }
        if stored.isEmpty { return try settingTestAside(own) }
        let chosen = try settingTestAside(own.map { $0.split == .test ? $0.inTraining : $0 })
        guard Set(stored.map(\.path)) == Set(chosen.filter { $0.split == .test }.map(\.path)) else {
            throw DatasetError.storedTest(name, clips: stored.count)
        }
        return chosen
    }

    /// Clips stored as test clips that are in train in the data set's folder or lists are moved to train.
    private func ownSplits(_ clips: [Clip]) -> [Clip] {
        guard let listed = try? listedClips() else { return clips }
        let training = Set(listed.filter { $0.split == .train }.map(\.path))
        return clips.map { $0.split == .test && training.contains($0.path) ? $0.inTraining : $0 }
    }

    /// As for validation in `sequence`, but with an independent seed. Throws `DatasetError.hasTest`.
    func settingTestAside(_ clips: [Clip]) throws -> [Clip] {
        if clips.contains(where: { $0.split == .test }) { throw DatasetError.hasTest(name) }
        let seed = SplitMix64.hash("test", seed: UInt64(bitPattern: Int64(testSeed)))
        let own = clips.filter { $0.split == .train }
        let chosen = ValidationSplit.choose(
            fraction: test, examples: own.map { ($0.listedLabel, $0.group, $0.path) }, seed: seed, task: task)
        let paths = Set(zip(own, chosen).filter(\.1).map(\.0.path))
        return clips.map { paths.contains($0.path) ? $0.settingAside : $0 }
    }

    /// A problem with the test set that `test` selects from these clips; nil if there is none, or without `test`.
    /// `clips`: as returned by `clips()`.
    package func testShareProblem(_ clips: [Clip]) -> TestShareProblem? {
        guard test > 0, !clips.isEmpty else { return nil }
        let tests = clips.filter { $0.split == .test }
        let tested = names(of: tests)
        let untested = names(of: clips).subtracting(tested)
        guard !untested.isEmpty || tests.isEmpty else { return nil }
        return TestShareProblem(
            share: test, classes: untested.sorted(), isEmpty: tests.isEmpty,
            isGrouped: clips.contains { $0.group != nil }, smallest: smallestTest(clips), folds: mostFolds(clips),
            task: task)
    }

    private func names(of clips: [Clip]) -> Set<String> {
        Set(Set(clips.map(\.label)).flatMap { task.names(in: $0) })
    }

    /// The smallest fraction that gives every class of these clips a test clip if it can have one.
    package func smallestTest(_ clips: [Clip]) -> Double? {
        let seed = SplitMix64.hash("test", seed: UInt64(bitPattern: Int64(testSeed)))
        return ValidationSplit.smallestFraction(examples: Self.pool(clips), seed: seed, task: task)
    }

    /// Maximum number of folds, up to five, for all classes of these clips.
    package func mostFolds(_ clips: [Clip]) -> Int? {
        ValidationSplit.mostFolds(examples: Self.pool(clips), task: task)
    }

    private static func pool(_ clips: [Clip]) -> [(label: String, group: String?, name: String)] {
        clips.filter { $0.ownSplit == .train }.map { ($0.label, $0.group, $0.path) }
    }
}

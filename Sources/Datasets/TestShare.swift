extension DatasetConfiguration {
    /// What each clip of a cache is for: as the data set itself says, with the share that `test` sets aside.
    ///
    /// Caches of older versions stored that share as if the data set had said so. The data set's folder or lists tell, if they
    /// are there; without them, a stored test part must be the one that `test` chooses.
    ///
    /// - Parameter clips: all clips of the dataset but those that `exclude` names, with the splits that the cache has.
    /// - Throws: `DatasetError.storedTest`.
    public func placed(_ clips: [Clip]) throws -> [Clip] {
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

    /// Clips that are stored as test clips, and which the data set's folder or lists have in train, in train.
    private func ownSplits(_ clips: [Clip]) -> [Clip] {
        guard let listed = try? listedClips() else { return clips }
        let training = Set(listed.filter { $0.split == .train }.map(\.path))
        return clips.map { $0.split == .test && training.contains($0.path) ? $0.inTraining : $0 }
    }

    /// As `sequence` sets validation aside, but by a choice of its own: neither seed says anything of the other.
    ///
    /// - Throws: `DatasetError.hasTest`.
    func settingTestAside(_ clips: [Clip]) throws -> [Clip] {
        if clips.contains(where: { $0.split == .test }) { throw DatasetError.hasTest(name) }
        let seed = SplitMix64.hash("test", seed: UInt64(bitPattern: Int64(testSeed)))
        let own = clips.filter { $0.split == .train }
        let chosen = ValidationSplit.choose(
            fraction: test, examples: own.map { ($0.label, $0.group, $0.path) }, seed: seed)
        let paths = Set(zip(own, chosen).filter(\.1).map(\.0.path))
        return clips.map { paths.contains($0.path) ? $0.settingAside : $0 }
    }
}

/// What `dataset.test` set aside, if that is not what its user wants, and which share does it.
public struct TestShareProblem: Equatable, Sendable {
    /// The share.
    public let share: Double
    /// Classes without a test clip; all of them if there is no test part.
    public let classes: [String]
    /// Whether no clip was set aside.
    public let isEmpty: Bool
    /// Whether clips are grouped by source.
    public let isGrouped: Bool
    /// The smallest share that gives every class a test clip that can have one; nil if none does.
    public let smallest: Double?
    /// Folds that every class can be cut into; nil if some class has a single source.
    public let folds: Int?

    /// What happened, and what helps, as two sentences.
    public var text: String {
        let names = classes.prefix(8).joined(separator: ", ") + (classes.count > 8 ? ", …" : "")
        let what =
            isEmpty
            ? "`dataset.test: \(share)` sets no clip aside: it is less than half a \(isGrouped ? "source" : "clip") of every class. "
            : "`dataset.test: \(share)` gives \(classes.count == 1 ? "the class" : "\(classes.count) classes") no test clip: \(names). "
        let larger = smallest.flatMap { $0 > share ? "\($0)" : nil }
        let without = folds.map { "remove `test` and hold out every clip in turn with --folds \($0)" }
        switch (larger, without) {
        case (let larger?, let without?): return what + "Set it to \(larger) or more, or \(without)."
        case (let larger?, nil): return what + "Set it to \(larger) or more."
        case (nil, let without?): return what + "To test all classes, \(without)."
        case (nil, nil):
            return what
                + (classes.count == 1
                    ? "Add clips of other sources to this class, or leave it out with `dataset.classes`."
                    : "Add clips of other sources to these classes, or leave them out with `dataset.classes`.")
        }
    }
}

extension DatasetConfiguration {
    /// What is wrong with the test part that `test` sets aside of these clips; nil if nothing is, or there is no share.
    ///
    /// - Parameter clips: as `clips()` returns them.
    public func testShareProblem(_ clips: [Clip]) -> TestShareProblem? {
        guard test > 0, !clips.isEmpty else { return nil }
        let tested = Set(clips.filter { $0.split == .test }.map(\.label))
        let untested = Set(clips.map(\.label)).subtracting(tested)
        guard !untested.isEmpty else { return nil }
        return TestShareProblem(
            share: test, classes: untested.sorted(), isEmpty: tested.isEmpty,
            isGrouped: clips.contains { $0.group != nil }, smallest: smallestTest(clips),
            folds: Self.mostFolds(clips))
    }

    /// The smallest share that gives every class of these clips a test clip that can have one.
    public func smallestTest(_ clips: [Clip]) -> Double? {
        let seed = SplitMix64.hash("test", seed: UInt64(bitPattern: Int64(testSeed)))
        return ValidationSplit.smallestFraction(examples: Self.pool(clips), seed: seed)
    }

    /// The most folds, up to five, into which all classes of these clips can be cut.
    public static func mostFolds(_ clips: [Clip]) -> Int? { ValidationSplit.mostFolds(examples: pool(clips)) }

    private static func pool(_ clips: [Clip]) -> [(label: String, group: String?, name: String)] {
        clips.filter { $0.ownSplit == .train }.map { ($0.label, $0.group, $0.path) }
    }
}

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

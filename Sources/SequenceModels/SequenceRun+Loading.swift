import Datasets
import FeatureCache

/// Reading features for a run, with notes for the user.
extension SequenceRun {
    /// The features of all clips of a data set, with the splits in the cache. `overlapping`: see `CacheFile.features`.
    /// Throws `SequenceError.noSamples`, `CacheError`.
    package static func load(
        _ cache: CacheFile, dataset: String, extraction: StoredExtraction,
        excluding excluded: Set<String> = [], views: Int, memory: Int, overlapping: Bool = false
    ) throws -> FeatureSet {
        let features = try cache.features(
            dataset: dataset, extraction: extraction.id, excluding: excluded, views: views, memory: memory,
            overlapping: overlapping)
        if features.examples.isEmpty {
            throw SequenceError.noSamples(dataset: dataset, available: try cache.datasets())
        }
        return features
    }

    /// With several labels a clip, checks that training has every label. Throws `SequenceError.testOnly` if there are
    /// labels that occur in the validation or test part only, unless they are to be left out.
    func checkLabels(_ features: FeatureSet, note: (String) -> Void) throws {
        let unknown = training.labelsWithoutTraining(features, partition(features))
        if unknown.isEmpty { return }
        guard leavesOutUnknown else { throw SequenceError.testOnly(labels: unknown) }
        let names = unknown.prefix(8).joined(separator: ", ") + (unknown.count > 8 ? ", …" : "")
        note("\(count(unknown.count, "label")) without training clips left out: \(names)")
    }

    /// The clips recorded by a run that is resumed; nil if a version before 1.1 was killed before it recorded any.
    func earlierClips(
        _ directory: RunDirectory, _ cache: CacheFile, note: (String) -> Void
    ) throws -> RunClips? {
        do {
            return try RunClips(directory, directory.checkpointConfiguration(), in: cache)
        } catch SequenceError.noClips {
            note(
                "an older version did not store the clips that trained \(name); the run is resumed with the current "
                    + "data set"
            )
            return nil
        }
    }

    /// The role of each clip: as recorded by a resumed run, or from the data set and its pipeline. `videos`: row IDs by
    /// digest. Throws `SequenceError.clipsGone` if recorded clips have no features any more.
    func clips(
        _ features: FeatureSet, _ videos: [String: Int64], earlier: RunClips?
    ) throws -> (Partition, RunClips) {
        let digests = Dictionary(videos.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        let partition = partition(features)
        let clips = RunClips(
            features, partition, heldOut: crossValidation == nil ? [] : partition.train, digests: digests)
        guard let earlier, earlier != clips else { return (partition, clips) }
        let places = Dictionary(
            features.examples.enumerated().compactMap { index, example in
                digests[example.videoID].map { ($0, index) }
            }, uniquingKeysWith: { first, _ in first })
        let gone = Set(earlier.entries.map(\.digest)).count { places[$0] == nil }
        // Labels must not change between epochs.
        let (before, now) = (earlier.labels, clips.labels)
        let relabelled = before.count { now[$0.key] != nil && now[$0.key] != $0.value }
        if relabelled > 0 { throw SequenceError.otherClips(run: runs + "/" + name, count: relabelled) }
        if gone > 0 { throw SequenceError.clipsGone(run: runs + "/" + name, count: gone) }
        if crossValidation != nil {
            let changed = Set(earlier.entries).symmetricDifference(clips.entries)
            throw SequenceError.otherClips(run: runs + "/" + name, count: Set(changed.map(\.digest)).count)
        }
        func indices(_ role: ClipRole) -> [Int] { earlier.digests(role).compactMap { places[$0] }.sorted() }
        return (Partition(train: indices(.train), validation: indices(.validation), test: indices(.test)), earlier)
    }

    func notes(_ cache: CacheFile, _ extraction: Int64, _ features: FeatureSet) throws -> [String] {
        var notes: [String] = []
        let empty = try cache.emptySequences(dataset: dataset, extraction: extraction)
        if empty > 0 {
            notes.append("\(count(empty, "video")) without a valid frame \(empty == 1 ? "is" : "are") left out")
        }
        if ExtractionLock.isHeld(cache: cache.path) {
            notes.append(
                "an extraction is filling \(cache.path): only the \(count(features.examples.count, "video")) "
                    + "extracted so far can be used"
            )
        }
        if training.model.kind == .zeroShot, training.labelTask == .multilabel, training.calibrates != true {
            notes.append(
                "the scores of zero_shot are similarities, so the probabilities of several labels mean little; "
                    + "`sequence.calibrate: true` fits them to the validation clips")
        }
        let short = features.examples.count { $0.views.count < training.views }
        if short > 0 {
            notes.append(
                "\(count(short, "video")) \(short == 1 ? "has" : "have") fewer than \(training.views) augmented "
                    + "views; run `zoetrope extract` with this pipeline to add them"
            )
        }
        if case .streamed = features.storage {
            notes.append("the features exceed the memory limit (--memory) and are streamed in batches")
        }
        return notes
    }

    /// The number of test clips that are near-duplicates of training clips, if near-duplicates were searched for.
    func nearDuplicateNote(_ cache: CacheFile, _ features: FeatureSet, _ partition: Partition) throws -> String? {
        let test = Set(partition.test.map { features.examples[$0].videoID })
        let others = Set((partition.train + partition.validation).map { features.examples[$0].videoID })
        let leaks = try cache.nearDuplicates(dataset: dataset).flatMap { pair -> [Int64] in
            if test.contains(pair.first), others.contains(pair.second) { return [pair.first] }
            return test.contains(pair.second) && others.contains(pair.first) ? [pair.second] : []
        }
        guard !leaks.isEmpty else { return nil }
        return
            "\(Set(leaks).count) of \(count(test.count, "test clip")) with a near-duplicate among the training and "
            + "validation clips: the test \(training.labelTask.scoreName) is too high (SELECT * FROM twin)"
    }
}

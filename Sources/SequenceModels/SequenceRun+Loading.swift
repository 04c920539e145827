import Datasets
import FeatureCache

/// What a run reads from the cache, and what its user should know of it.
extension SequenceRun {
    /// The features of all clips of a dataset, in the splits that the cache has.
    ///
    /// - `overlapping`: see `CacheFile.features`.
    /// - Throws: `SequenceError.noSamples`, `CacheError`.
    public static func load(
        _ cache: CacheFile, dataset: String, extraction: (id: Int64, record: ExtractionRecord),
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

    /// What a run that goes on recorded of its clips; nil if a version before 1.1 was killed before it recorded any.
    func earlierClips(
        _ directory: RunDirectory, _ cache: CacheFile, note: (String) -> Void
    ) throws -> RunClips? {
        do {
            return try RunClips(directory, directory.checkpointConfiguration(), in: cache)
        } catch SequenceError.noClips {
            note(
                "an older version left no record of the clips that trained \(name) so far; it goes on with the data set as it is now"
            )
            return nil
        }
    }

    /// Which clip plays which part: as a run that goes on recorded it, or as the data set and its pipeline say.
    ///
    /// - `videos`: rows by digest.
    /// - Throws: `SequenceError.clipsGone` if clips of the earlier part of the run have no features any more.
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
        // Half of the epochs with one truth and half with another make no head.
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

    /// Records which clip plays which part, in the run's folder and in the cache.
    func record(
        _ clips: RunClips, _ videos: [String: Int64], _ directory: RunDirectory, _ cache: CacheFile, _ run: Int64
    ) throws {
        try directory.save(clips)
        try cache.store(
            clips.entries.compactMap { entry in
                videos[entry.digest].map { MembershipRecord(videoID: $0, role: entry.role) }
            }, run: run)
    }

    /// What the user should know of the features.
    func notes(_ cache: CacheFile, _ extraction: Int64, _ features: FeatureSet) throws -> [String] {
        var notes: [String] = []
        let empty = try cache.emptySequences(dataset: dataset, extraction: extraction)
        if empty > 0 { notes.append("\(empty) videos have no valid frame and are left out") }
        if ExtractionLock.isHeld(cache: cache.path) {
            notes.append(
                "an extraction is filling \(cache.path): only the \(features.examples.count) videos there now count")
        }
        let short = features.examples.count { $0.views.count < training.views }
        if short > 0 {
            notes.append(
                "\(short) videos have fewer than \(training.views) views; extract with this pipeline to make them")
        }
        if case .streamed = features.storage {
            notes.append("the features do not fit into the memory allowed and are read batch by batch")
        }
        return notes
    }

    /// How many test clips show what a clip shows that is trained on, as far as anybody looked.
    func twinNote(_ cache: CacheFile, _ features: FeatureSet, _ partition: Partition) throws -> String? {
        let test = Set(partition.test.map { features.examples[$0].videoID })
        let others = Set((partition.train + partition.validation).map { features.examples[$0].videoID })
        let leaks = try cache.twins(dataset: dataset).flatMap { twin -> [Int64] in
            if test.contains(twin.first), others.contains(twin.second) { return [twin.first] }
            return test.contains(twin.second) && others.contains(twin.first) ? [twin.second] : []
        }
        guard !leaks.isEmpty else { return nil }
        return
            "\(Set(leaks).count) of \(test.count) test clips have a twin among the clips that are trained on: the test "
            + "accuracy is too high (SELECT * FROM twin)"
    }
}

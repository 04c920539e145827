import Datasets
import Foundation
import Threads

/// An inventory of a data set and its problems, before extraction.
package struct DatasetCheck: Sendable {
    /// Clips of each class, or with each label, in each split.
    package let counts: [String: [Split: Int]]
    /// Clips in each split, without copies with the task `multilabel`, and those of them without labels.
    package let clips: [Split: Int], unlabelled: [Split: Int]
    /// The labels of clips, for the task `multilabel`.
    package let labels: LabelStatistics?
    /// Paths that are missing or unreadable, with the reason.
    package let unreadable: [(path: String, reason: String)]
    /// The readable clips without duplicates, as `extract` uses them.
    package let usable: [Clip]
    /// Assumptions made when reading the lists.
    package let notes: [String]
    /// Files below the root that are not clips.
    package let leftOut: [LeftOut]
    /// Class folders without clips.
    package let emptyClasses: [LeftOut]
    /// Classes that are missing from train or test, if the data set has both.
    package let onlyInOneSplit: [(label: String, missing: Split)]
    /// Groups of clips with identical bytes, sorted by path; with the task `multilabel`, only those in several splits
    /// or with equal labels, since copies in other class folders are other labels.
    package let duplicates: [[Clip]]

    /// Duplicates in different splits, which leak training data into the test set.
    package var leaks: [[Clip]] {
        // Copies that `dataset.test` divides are joined before training with the task `multilabel`.
        duplicates.filter { Set($0.map(labels == nil ? \.split : \.ownSplit)).count > 1 }
    }
    package let digests: DigestList
    package var isClean: Bool {
        unreadable.isEmpty && leftOut.isEmpty && emptyClasses.isEmpty && onlyInOneSplit.isEmpty && duplicates.isEmpty
    }

    /// Reads every clip once. `known`: digests of clips that need not be read. `report`: called as clips are read.
    /// Throws `DatasetError`.
    package init(
        _ dataset: DatasetConfiguration, workers: Int, known: DigestList = DigestList(),
        report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        let listing = try dataset.listing()
        let clips = listing.clips
        (leftOut, emptyClasses) = (listing.leftOutFiles, listing.emptyClasses)
        var unreadable: [(path: String, reason: String)] = []
        var digests = DigestList()
        var contents = [String?](repeating: nil, count: clips.count)
        var done = 0
        let root = dataset.root
        try runJobs(count: clips.count, workers: workers) {
            { index in Result { try HashedClip(clips[index].path, in: root, known: known) } }
        } consume: { (index: Int, content: Result<HashedClip, any Error>) in
            switch content {
            case .success(let content):
                contents[index] = content.digest
                digests.add(clips[index].path, content)
            case .failure(let error): unreadable.append((clips[index].path, error.localizedDescription))
            }
            done += 1
            report(done, clips.count)
        }
        let task = dataset.task
        let copies = CopiedClips(clips, contents: contents, of: dataset)
        let missing = Set(unreadable.map { Array($0.path.utf8) })
        usable = copies.clips.filter { !missing.contains(Array($0.path.utf8)) }
        self.digests = digests
        self.unreadable = unreadable.sorted { $0.path < $1.path }
        let counted = task == .multilabel ? copies.clips : clips
        (counts, self.clips, unlabelled, onlyInOneSplit) = Self.inventory(counted, task)
        labels = task == .multilabel ? LabelStatistics(counted.map { task.names(in: $0.label) }) : nil
        notes = listing.notes + copies.notes
        let read = clips.indices.filter { contents[$0] != nil }
        let groups = Dictionary(grouping: read) { copies.firsts[$0] }.values.map { $0.map { clips[$0] } }
        duplicates = groups.filter { group in
            guard group.count > 1 else { return false }
            return task == .classification || Set(group.map(\.ownSplit)).count > 1 || Set(group.map(\.label)).count == 1
        }
        .map { $0.sorted { $0.path < $1.path } }.sorted { $0[0].path < $1[0].path }
    }

    /// Clips of each label in each split, clips in each split, those without labels, and labels in one split only.
    private static func inventory(
        _ clips: [Clip], _ task: DatasetConfiguration.Task
    ) -> ([String: [Split: Int]], [Split: Int], [Split: Int], [(label: String, missing: Split)]) {
        var (counts, all, unlabelled) = ([String: [Split: Int]](), [Split: Int](), [Split: Int]())
        for clip in clips {
            let names = task.names(in: clip.label)
            for name in names { counts[name, default: [:]][clip.split, default: 0] += 1 }
            if names.isEmpty { unlabelled[clip.split, default: 0] += 1 }
            all[clip.split, default: 0] += 1
        }
        let missing: [(label: String, missing: Split)] = counts.keys.sorted().flatMap { label in
            [Split.train, .test].filter { all[$0] != nil && counts[label]?[$0] == nil }.map { (label, $0) }
        }
        return (counts, all, unlabelled, all.count > 1 ? missing : [])
    }
}

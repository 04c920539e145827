import Datasets
import Foundation
import Threads

/// An inventory of a data set and its problems, before extraction.
package struct DatasetCheck: Sendable {
    /// Clips of each class in each split.
    package let counts: [String: [Split: Int]]
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
    /// Groups of clips with identical bytes, sorted by path.
    package let duplicates: [[Clip]]

    /// Duplicates in different splits, which leak training data into the test set.
    package var leaks: [[Clip]] { duplicates.filter { Set($0.map(\.split)).count > 1 } }
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
        (leftOut, emptyClasses, notes) = (listing.leftOutFiles, listing.emptyClasses, listing.notes)
        var counts: [String: [Split: Int]] = [:]
        for clip in clips { counts[clip.label, default: [:]][clip.split, default: 0] += 1 }
        let splits = Set(clips.map(\.split))
        let missing: [(label: String, missing: Split)] = counts.keys.sorted().flatMap { label in
            [Split.train, .test].filter { splits.contains($0) && counts[label]?[$0] == nil }.map { (label, $0) }
        }
        onlyInOneSplit = splits.count > 1 ? missing : []

        var unreadable: [(path: String, reason: String)] = []
        var digests = DigestList()
        var byDigest: [String: [Clip]] = [:]
        var firsts: [String: Int] = [:]
        var done = 0
        let root = dataset.root
        try runJobs(count: clips.count, workers: workers) {
            { index in Result { try HashedClip(clips[index].path, in: root, known: known) } }
        } consume: { (index: Int, content: Result<HashedClip, any Error>) in
            switch content {
            case .success(let content):
                byDigest[content.digest, default: []].append(clips[index])
                firsts[content.digest] = min(firsts[content.digest] ?? index, index)
                digests.add(clips[index].path, content)
            case .failure(let error): unreadable.append((clips[index].path, error.localizedDescription))
            }
            done += 1
            report(done, clips.count)
        }
        self.counts = counts
        usable = firsts.values.sorted().map { clips[$0] }
        self.digests = digests
        self.unreadable = unreadable.sorted { $0.path < $1.path }
        duplicates = byDigest.values.filter { $0.count > 1 }.map { $0.sorted { $0.path < $1.path } }
            .sorted { $0[0].path < $1[0].path }
    }
}

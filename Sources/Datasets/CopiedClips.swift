import Foundation

/// Clips of a data set with the same content in different files: one of them is used. With the task `multilabel` it has
/// the labels of all of them, because a copy in another class folder is another label.
package struct CopiedClips: Sendable {
    /// The given clips without copies, in their order.
    package var clips: [Clip] { firsts.indices.filter { firsts[$0] == $0 }.map { all[$0] } }
    /// For each given clip, the index of the first clip with its content; its own index if it is no copy.
    package let firsts: [Int]
    /// The given clips, with the labels of their copies.
    private let all: [Clip]
    private let given: [Clip]
    private let task: DatasetConfiguration.Task

    /// `contents`: what is equal for copies, such as the digest of the file; nil if unknown. `dataset`: of the clips.
    package init<Content: Hashable>(_ clips: [Clip], contents: [Content?], of dataset: DatasetConfiguration) {
        (given, task) = (clips, dataset.task)
        var (first, firsts, copies) = ([Content: Int](), Array(clips.indices), [Int: [Int]]())
        for (index, content) in zip(clips.indices, contents) {
            guard let content else { continue }
            if let other = first[content] {
                firsts[index] = other
                copies[other, default: []].append(index)
            } else {
                first[content] = index
            }
        }
        var all = clips
        if dataset.task == .multilabel {
            for (first, others) in copies {
                let own = [first] + others
                func text(_ label: (Clip) -> String) -> String {
                    LabelSet.text(own.flatMap { dataset.task.names(in: label(clips[$0])) })
                }
                let (label, listed) = (text(\.label), text(\.listedLabel))
                for index in own { all[index] = all[index].labelled(label, listed: listed) }
            }
            if !copies.isEmpty, dataset.test > 0 {
                // The test clips were selected among the files; a file and its copies are one clip.
                let kept = firsts.indices.filter { firsts[$0] == $0 }
                let pool = kept.map { all[$0].isSetAside ? all[$0].inTraining : all[$0] }
                for (index, clip) in zip(kept, (try? dataset.settingTestAside(pool)) ?? []) { all[index] = clip }
            }
        }
        (self.firsts, self.all) = (firsts, all)
    }

    /// A given clip with the labels of its copies; nil if it is itself a copy.
    package subscript(index: Int) -> Clip? { isCopy(index) ? nil : all[index] }

    package func isCopy(_ index: Int) -> Bool { firsts[index] != index }

    /// What is done with a copy; nil if it only adds labels.
    package func note(_ index: Int) -> String? {
        let (copy, first) = (given[index], given[firsts[index]])
        let start = "\(copy.path) has the same content as \(first.path), "
        guard task == .multilabel else {
            return start + "so only \(first.path) is used"
                + (copy.label == first.label
                    ? ""
                    : ", and the label \(copy.label) is lost; if a clip can have several labels, set "
                        + "`dataset.task: multilabel`")
        }
        let isNegative = task.names(in: copy.label).isEmpty != task.names(in: first.label).isEmpty
        guard copy.ownSplit != first.ownSplit || isNegative else { return nil }
        return start + "so they are one clip in \(first.ownSplit) with the labels: \(task.shown(all[index].label))"
            + (isNegative ? ", although one of them has no label" : "")
    }

    /// Notes about copies whose labels differ, or with the task `multilabel` their splits; with the number of others.
    package var notes: [String] {
        let copies = firsts.indices.filter { isCopy($0) && given[$0].label != given[firsts[$0]].label }
        return (copies.map(note) + [summary]).compactMap { $0 }
    }

    /// The number of copies that only add labels; nil without them.
    package var summary: String? {
        guard task == .multilabel else { return nil }
        let copies = firsts.indices.filter { isCopy($0) && note($0) == nil }
        guard let example = copies.first else { return nil }
        let files = copies.count == 1 ? "1 file is a copy of another" : "\(copies.count) files are copies of others"
        return "\(files); a clip has the labels of all its copies, such as \(given[firsts[example]].path) and "
            + given[example].path
    }
}

extension DatasetListing {
    /// Joins links: a file that several class folders contain as symbolic or hard links is one clip with several
    /// labels, whose path is the first by bytes. `negatives`: the class folder whose clips have no labels. Throws
    /// `DatasetError`.
    func joiningLinks(root: String, negatives: String?) throws -> DatasetListing {
        var listing = self
        let sorted = clips.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        var (files, order) = ([FileIdentity: [Clip]](), [FileIdentity]())
        for clip in sorted {
            let file = FileIdentity(clip.path, in: root)
            if files[file] == nil { order.append(file) }
            files[file, default: []].append(clip)
        }
        listing.clips = try order.compactMap { try files[$0].flatMap { try Self.joined($0, negatives) } }
        if let negatives, !clips.contains(where: { $0.label == negatives }) {
            throw DatasetError.unknownNegatives(negatives, place: root)
        }
        return listing
    }

    private static func joined(_ links: [Clip], _ negatives: String?) throws -> Clip? {
        guard let first = links.first else { return nil }
        if let other = links.first(where: { $0.split != first.split }) {
            throw DatasetError.linkedSplits(first.path, other.path)
        }
        let folders = Set(links.map(\.label))
        let labels = folders.filter { $0 != negatives }
        if let negatives, !labels.isEmpty, labels.count < folders.count {
            throw DatasetError.negativeWithLabels(first.path, negatives: negatives, labels: labels.sorted())
        }
        return first.labelled(LabelSet.text(labels))
    }

    /// Device and inode of a file, links followed; the path of a file that cannot be reached.
    private struct FileIdentity: Hashable {
        private var device: UInt64 = 0, inode: UInt64 = 0
        private var path: [UInt8] = []

        init(_ path: String, in root: String) {
            var status = stat()
            if stat(root + "/" + path, &status) == 0 {
                (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
            } else {
                self.path = Array(path.utf8)
            }
        }
    }
}

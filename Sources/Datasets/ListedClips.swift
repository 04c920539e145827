/// The clips of lists by path; with the task `multilabel`, the labels of several rows of one path are joined.
struct ListedClips {
    private struct Place {
        let file: String, row: Int
    }

    private struct Known {
        let clip: Clip
        /// Of the first row.
        let place: Place
        /// The labels that rows state, and those that rows exclude, with the first of these rows.
        var names: [String: Place], absent: [String: Place]
    }

    private let task: DatasetConfiguration.Task
    private let negatives: String?
    /// Compared by bytes: paths in different Unicode forms are different files.
    private var known: [[UInt8]: Known] = [:]
    private var hasNegatives = false

    init(task: DatasetConfiguration.Task, negatives: String?) { (self.task, self.negatives) = (task, negatives) }

    /// Adds a row. Throws `DatasetError` if it contradicts another row of the same path.
    mutating func add(
        _ path: String, _ labels: ListLabels.Row, split: Split, group: String?, file: String, row: Int
    ) throws {
        let clip = Clip(path: path, label: labels.names.first ?? "", split: split, group: group)
        let (key, place) = (Array(path.utf8), Place(file: file, row: row))
        func stated(_ names: [String]) -> [String: Place] {
            Dictionary(names.map { ($0, place) }, uniquingKeysWith: { first, _ in first })
        }
        var entry = Known(clip: clip, place: place, names: stated(labels.names), absent: stated(labels.absent))
        if let other = known[key] {
            let reason =
                task == .multilabel ? Self.contradiction(entry, other) : Self.contradiction(entry.clip, other.clip)
            if let reason { throw DatasetError.malformedRow(file: file, row: row, reason: reason) }
            if task == .multilabel {
                let (names, absent) = (entry.names, entry.absent)
                entry = other
                entry.names.merge(names) { first, _ in first }
                entry.absent.merge(absent) { first, _ in first }
            }
        }
        if let negatives, entry.names[negatives] != nil {
            hasNegatives = true
            let others = entry.names.keys.filter { $0 != negatives }
            if !others.isEmpty {
                throw DatasetError.negativeWithLabels(path, negatives: negatives, labels: others.sorted())
            }
        }
        known[key] = entry
    }

    /// All clips. `list`: the list or its folder, for errors. Throws `DatasetError.unknownNegatives`.
    func clips(of list: String) throws -> [Clip] {
        guard task == .multilabel else { return known.values.map(\.clip) }
        if let negatives, !hasNegatives { throw DatasetError.unknownNegatives(negatives, place: list) }
        return known.values.map { $0.clip.labelled(LabelSet.text($0.names.keys.filter { $0 != negatives })) }
    }

    private static func contradiction(_ clip: Clip, _ other: Clip) -> String? {
        guard other.label != clip.label || other.split != clip.split else { return nil }
        return "\(clip.path) is \(clip.label) in \(clip.split), but was \(other.label) in \(other.split)"
            + (other.label == clip.label || other.split != clip.split
                ? "" : "; for several labels a clip, set `dataset.task: multilabel`")
    }

    private static func contradiction(_ entry: Known, _ other: Known) -> String? {
        let (clip, first) = (entry.clip, other.clip)
        func row(_ place: Place?) -> String {
            let place = place ?? other.place
            return "row \(place.row)" + (place.file == entry.place.file ? "" : " of \(place.file)")
        }
        if clip.split != first.split {
            return "\(clip.path) is in \(clip.split), but in \(first.split) in \(row(other.place))"
        }
        if clip.group != first.group {
            return "the group of \(clip.path) is \(clip.group ?? "empty"), but \(first.group ?? "empty") in "
                + row(other.place)
        }
        if let label = entry.absent.keys.filter({ other.names[$0] != nil }).min() {
            return "\(label) is 0 for \(clip.path), but 1 in \(row(other.names[label]))"
        }
        if let label = entry.names.keys.filter({ other.absent[$0] != nil }).min() {
            return "\(label) is 1 for \(clip.path), but 0 in \(row(other.absent[label]))"
        }
        return nil
    }
}

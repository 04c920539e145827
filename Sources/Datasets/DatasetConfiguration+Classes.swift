extension DatasetConfiguration {
    /// Those labels of a data set that `classes` selects. Throws `DatasetError.unknownClass` for an absent one.
    package func chosenLabels(from samples: [(label: String, split: Split)]) throws -> Set<String> {
        let samples = samples.flatMap { label, split in task.names(in: label).map { (label: $0, split: split) } }
        let labels = Set(samples.map(\.label))
        switch classes {
        case .all: return labels
        case .named(let names):
            for name in names where !labels.contains(name) {
                throw DatasetError.unknownClass(name, available: labels.sorted())
            }
            return Set(names)
        case .top(let count):
            let counts = samples.filter { $0.split == .train }.reduce(into: [:]) { $0[$1.label, default: 0] += 1 }
            return Set(counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(count).map(\.key))
        }
    }

    /// The clips of the given classes; with the task `multilabel` all clips, each with those of its labels.
    package func keeping(_ labels: Set<String>, of clips: [Clip]) -> [Clip] {
        guard task == .multilabel else { return clips.filter { labels.contains($0.label) } }
        guard classes != .all else { return clips }
        return clips.map { $0.keeping(LabelSet.text(task.names(in: $0.label).filter(labels.contains))) }
    }

    /// Whether excluded files of a class folder belong to the data set with the given classes.
    func isKept(_ folder: String, _ labels: Set<String>) -> Bool {
        // Of an excluded clip it is a set of labels.
        labels.contains(folder) || task == .multilabel && (folder == negatives || LabelSet.names(folder) != nil)
    }
}

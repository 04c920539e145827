/// One spelling for each label: texts that are canonically equivalent in Unicode are equal in Swift, but not in SQL.
struct LabelSpelling {
    /// By label, the spelling that comes first by bytes.
    private let firsts: [String: String]

    init(_ labels: some Sequence<String>) {
        firsts = Dictionary(
            labels.map { ($0, $0) },
            uniquingKeysWith: { $1.utf8.lexicographicallyPrecedes($0.utf8) ? $1 : $0 })
    }

    func first(_ label: String) -> String { firsts[label] ?? label }
}

extension [Clip] {
    /// The clips with one spelling for each label.
    func spelledAlike(_ task: DatasetConfiguration.Task) -> [Clip] {
        let spelling = LabelSpelling(flatMap { task.names(in: $0.label) })
        return map { clip in
            let names = task.names(in: clip.label).map(spelling.first)
            return clip.labelled(task == .classification ? names.first ?? clip.label : LabelSet.text(names))
        }
    }
}

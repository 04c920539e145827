import SequenceModels

struct ClassFigures {
    let label: String
    /// Clips by split, as used by the run.
    let clips: [String: Int]
    /// Recall on the evaluated clips; nil if there are none.
    let accuracy: Double?
    /// Whether it has fewer than 90 % of the mean class's training clips.
    let isRare: Bool

    var trained: Int { clips["train"] ?? 0 }

    /// - Parameter clips: by class, then split.
    static func all(_ metrics: Metrics, clips: [String: [String: Int]]) -> (classes: [ClassFigures], mean: Double) {
        let counts = metrics.labels.map { clips[$0]?["train"] ?? 0 }
        let mean = Double(counts.reduce(0, +)) / Double(max(1, counts.count))
        let classes = metrics.labels.enumerated().map { index, label in
            let (count, correct) = metrics.perClass(index)
            return ClassFigures(
                label: label, clips: clips[label] ?? [:], accuracy: count > 0 ? Double(correct) / Double(count) : nil,
                isRare: Double(counts[index]) < 0.9 * mean)
        }
        return (classes, mean)
    }
}

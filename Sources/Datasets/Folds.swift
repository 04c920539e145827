import Foundation

/// Divides examples into stratified folds without dividing groups, as scikit-learn's `StratifiedGroupKFold`; for the
/// task `multilabel` by iterative stratification.
package enum Folds {
    /// The fold of each example, from 0. Groups are assigned largest first, in a seeded order among equal sizes; each
    /// goes to the fold in which its classes are rarest so far, or else to the smallest. An example without a group is
    /// a group of its own. `count`: at least 2. `examples`: label, group and a unique name such as the path; the
    /// result depends on these and the seed, not on the order. Throws `FoldError` if a class has fewer sources than
    /// there are folds, so that some model would
    /// lack it, or with the task `multilabel` some fold has no positive of a label.
    package static func assign(
        _ count: Int, examples: [(label: String, group: String?, name: String)], seed: UInt64,
        task: DatasetConfiguration.Task = .classification
    ) throws -> [Int] {
        let sources = Sources(examples, seed: seed, task: task, largestFirst: true)
        if let fewest = sources.counts.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), fewest.value < count {
            let isGrouped = examples.contains { $0.group != nil }
            throw FoldError.tooFew(
                label: fewest.key, sources: fewest.value, isGrouped: isGrouped, folds: count, task: task)
        }
        if task == .multilabel { return sources.subsets(Array(repeating: 1 / Double(max(1, count)), count: count)) }
        let totals = examples.reduce(into: [String: Double]()) { $0[$1.label, default: 0] += 1 }
        var placed = Array(repeating: [String: Double](), count: count)
        var sizes = Array(repeating: 0, count: count)
        var folds = Array(repeating: 0, count: examples.count)
        for indices in sources.order {
            let own = indices.reduce(into: [String: Double]()) { $0[examples[$1].label, default: 0] += 1 }
            // Growth of the sum of squares of all classes' shares.
            let growth = placed.map { fold in
                own.sorted { $0.key < $1.key }.reduce(0.0) { sum, entry in
                    let total = totals[entry.key] ?? 1
                    return sum + entry.value * (2 * (fold[entry.key] ?? 0) + entry.value) / (total * total)
                }
            }
            let best = (0..<count).min { (growth[$0], sizes[$0], $0) < (growth[$1], sizes[$1], $1) } ?? 0
            placed[best].merge(own, uniquingKeysWith: +)
            sizes[best] += indices.count
            for index in indices { folds[index] = best }
        }
        return folds
    }
}

package enum FoldError: LocalizedError, Equatable {
    case tooFew(
        label: String, sources: Int, isGrouped: Bool, folds: Int, task: DatasetConfiguration.Task = .classification)
    case lost(labels: [String], task: DatasetConfiguration.Task = .classification)

    package var errorDescription: String? {
        switch self {
        case .lost(let labels, let task):
            "A fold model would be trained without the \(Self.noun(task)) \"\(labels.joined(separator: "\", \""))\": "
                + "all its clips are in the held-out fold and the validation part. Use fewer folds or a smaller "
                + "`dataset.validation`."
        case .tooFew(let label, let sources, let isGrouped, let folds, let task):
            "The \(Self.noun(task)) \"\(label)\" has \(Self.counted(sources, isGrouped)), fewer than the "
                + "\(folds) folds, so some fold "
                + (task == .multilabel
                    ? "would have no clip with this label. " : "model would be trained without it. ")
                + (sources > 1 ? "Use \(sources) folds or fewer, or leave" : "Leave")
                + " the \(Self.noun(task)) out with `dataset.classes`."
        }
    }

    private static func noun(_ task: DatasetConfiguration.Task) -> String {
        task == .multilabel ? "label" : "class"
    }

    private static func counted(_ sources: Int, _ isGrouped: Bool) -> String {
        isGrouped
            ? "\(sources) \(sources == 1 ? "source (group)" : "sources (groups)")"
            : "\(sources) \(sources == 1 ? "clip" : "clips")"
    }
}

import Foundation

/// Divides examples into stratified folds without dividing groups, as scikit-learn's `StratifiedGroupKFold`.
package enum Folds {
    /// The fold of each example, from 0. Groups are assigned largest first, in a seeded order among equal sizes; each
    /// goes to the fold in which its classes are rarest so far, or else to the smallest. An example without a group is
    /// a group of its own. `count`: at least 2. `examples`: label, group and a unique name such as the path; the
    /// result depends on these and the seed, not on the order. Throws `FoldError` if a class has fewer sources than
    /// there are folds, so that some model would lack it.
    package static func assign(
        _ count: Int, examples: [(label: String, group: String?, name: String)], seed: UInt64
    ) throws -> [Int] {
        var members: [String: [Int]] = [:]
        for (index, example) in examples.enumerated() {
            members[example.group.map { "group " + $0 } ?? "clip " + example.name, default: []].append(index)
        }
        try check(count, examples, members.values)
        let totals = examples.reduce(into: [String: Double]()) { $0[$1.label, default: 0] += 1 }
        let order = members.map { (hash: SplitMix64.hash($0.key, seed: seed), name: $0.key, indices: $0.value) }
            .sorted { (-$0.indices.count, $0.hash, $0.name) < (-$1.indices.count, $1.hash, $1.name) }
        var placed = Array(repeating: [String: Double](), count: count)
        var sizes = Array(repeating: 0, count: count)
        var folds = Array(repeating: 0, count: examples.count)
        for (_, _, indices) in order {
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

    private static func check(
        _ count: Int, _ examples: [(label: String, group: String?, name: String)],
        _ groups: Dictionary<String, [Int]>.Values
    ) throws {
        var sources: [String: Int] = [:]
        for indices in groups {
            for label in Set(indices.map { examples[$0].label }) { sources[label, default: 0] += 1 }
        }
        let isGrouped = examples.contains { $0.group != nil }
        if let fewest = sources.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), fewest.value < count {
            throw FoldError.tooFew(label: fewest.key, sources: fewest.value, isGrouped: isGrouped, folds: count)
        }
    }
}

package enum FoldError: LocalizedError, Equatable {
    case tooFew(label: String, sources: Int, isGrouped: Bool, folds: Int), lost(labels: [String])

    package var errorDescription: String? {
        switch self {
        case .lost(let labels):
            "A fold model would be trained without the class \"\(labels.joined(separator: "\", \""))\": all its clips "
                + "are in the held-out fold and the validation part. Use fewer folds or a smaller `dataset.validation`."
        case .tooFew(let label, let sources, let isGrouped, let folds):
            "The class \"\(label)\" has \(sources) \(isGrouped ? "sources (groups)" : "clips"), fewer than the "
                + "\(folds) folds, so some fold model would be trained without it. "
                + (sources > 1 ? "Use \(sources) folds or fewer, or leave" : "Leave")
                + " the class out with `dataset.classes`."
        }
    }
}

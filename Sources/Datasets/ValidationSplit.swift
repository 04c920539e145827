import Foundation

/// A seeded validation split, stratified by label and grouped by source.
package enum ValidationSplit {
    /// Whether each example belongs to validation. Groups are visited in a seeded order; each is selected if that
    /// brings the labels' counts nearer to `fraction` of each. An example without a group is a group of its own.
    /// `fraction`: from 0 to below 1. `examples`: label, group and a unique name such as the path; the result depends
    /// on these and the seed, not on the order.
    package static func choose(
        fraction: Double, examples: [(label: String, group: String?, name: String)], seed: UInt64
    ) -> [Bool] { Sources(examples, seed: seed).chosen(fraction: fraction) }

    /// The smallest fraction, in hundredths, with which every class has clips in both splits; classes with a single
    /// source, which cannot, are ignored. Nil if no fraction up to one half suffices.
    package static func smallestFraction(
        examples: [(label: String, group: String?, name: String)], seed: UInt64
    ) -> Double? {
        let sources = Sources(examples, seed: seed)
        let counts = sources.counts
        let divisible = Set(counts.filter { $0.value > 1 }.keys)
        guard !divisible.isEmpty else { return nil }
        return (1...50).lazy.map { Double($0) / 100 }.first { fraction in
            let chosen = zip(examples, sources.chosen(fraction: fraction))
            return Set(chosen.filter(\.1).map(\.0.label)).isSuperset(of: divisible)
                && Set(chosen.filter { !$0.1 }.map(\.0.label)).isSuperset(of: divisible)
        }
    }

    /// Maximum number of folds, up to five, for every class; nil if some class has a single source.
    package static func mostFolds(examples: [(label: String, group: String?, name: String)]) -> Int? {
        let fewest = Sources(examples, seed: 0).counts.values.min() ?? 0
        return fewest > 1 ? min(5, fewest) : nil
    }
}

/// The sources of examples: their groups, and each example without one.
struct Sources {
    private let labels: [String]
    /// Indices of the examples of each source, in a seeded order.
    let order: [[Int]]

    init(
        _ examples: [(label: String, group: String?, name: String)], seed: UInt64, largestFirst isBySize: Bool = false
    ) {
        labels = examples.map(\.label)
        let members = Dictionary(grouping: examples.indices) { index in
            examples[index].group.map { "group " + $0 } ?? "clip " + examples[index].name
        }
        order = members.map { name, indices in
            (size: isBySize ? indices.count : 0, hash: SplitMix64.hash(name, seed: seed), name: name, indices: indices)
        }
        .sorted { (-$0.size, $0.hash, $0.name) < (-$1.size, $1.hash, $1.name) }.map(\.indices)
    }

    /// Number of sources of each label.
    var counts: [String: Int] {
        order.reduce(into: [:]) { counts, indices in
            for label in Set(indices.map { labels[$0] }) { counts[label, default: 0] += 1 }
        }
    }

    func chosen(fraction: Double) -> [Bool] {
        var wanted = labels.reduce(into: [String: Double]()) { $0[$1, default: 0] += fraction }
        var isChosen = Array(repeating: false, count: labels.count)
        for indices in order {
            let counts = indices.reduce(into: [String: Double]()) { $0[labels[$1], default: 0] += 1 }
            let before = counts.keys.reduce(0) { $0 + abs(wanted[$1, default: 0]) }
            let after = counts.reduce(0) { $0 + abs(wanted[$1.key, default: 0] - $1.value) }
            guard after < before else { continue }
            for (label, count) in counts { wanted[label, default: 0] -= count }
            for index in indices { isChosen[index] = true }
        }
        return isChosen
    }
}

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
        let sources = Sources(examples, seed: seed, largestFirst: true)
        if let fewest = sources.counts.min(by: { ($0.value, $0.key) < ($1.value, $1.key) }), fewest.value < count {
            let isGrouped = examples.contains { $0.group != nil }
            throw FoldError.tooFew(label: fewest.key, sources: fewest.value, isGrouped: isGrouped, folds: count)
        }
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

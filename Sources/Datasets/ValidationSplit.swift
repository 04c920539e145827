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

private struct Sources {
    private let labels: [String]
    private let order: [[Int]]

    init(_ examples: [(label: String, group: String?, name: String)], seed: UInt64) {
        labels = examples.map(\.label)
        var members: [String: [Int]] = [:]
        for (index, example) in examples.enumerated() {
            members[example.group.map { "group " + $0 } ?? "clip " + example.name, default: []].append(index)
        }
        order = members.map { (hash: SplitMix64.hash($0.key, seed: seed), name: $0.key, indices: $0.value) }
            .sorted { ($0.hash, $0.name) < ($1.hash, $1.name) }.map(\.indices)
    }

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

/// Iterative stratification of examples with several labels after K. Sechidis, G. Tsoumakas, I. Vlahavas, On the
/// Stratification of Multi-label Data, ECML PKDD 2011, with sources instead of examples as the units: the label with
/// the fewest remaining positives is distributed first, its largest units first. A unit goes to the subset in which
/// the squared deviations of the shares of all labels and of the examples grow least, as in scikit-learn's
/// `StratifiedGroupKFold`, not to the one that lacks most of this label: a source has many positives of other labels.
/// The seed decides ties.
struct IterativeStratification {
    /// A source: the number of its examples, and for each of its labels the number of positive examples, by label.
    struct Unit {
        let size: Int
        let counts: [(label: Int, count: Int)]
    }

    private let units: [Unit]
    /// Fraction of the examples of each subset; the sum is 1.
    private let shares: [Double]
    private var generator: SplitMix64
    /// Number of examples, and of the positive examples of each label.
    private let examples: Int, positives: [Int]
    /// The assigned examples of each subset, and for each label their positives in each subset.
    private var sizes: [Int], placed: [[Int]]
    /// The positives of each label that are not assigned yet.
    private var remaining: [Int]
    private var subsets: [Int?]

    /// The subset of each unit. `units`: in a seeded order, largest first. `labels`: their number, in a seeded order.
    static func subsets(of units: [Unit], labels: Int, shares: [Double], seed: UInt64) -> [Int] {
        var stratification = IterativeStratification(units, labels, shares, seed)
        return stratification.assigned()
    }

    private init(_ units: [Unit], _ labels: Int, _ shares: [Double], _ seed: UInt64) {
        (self.units, self.shares, generator) = (units, shares, SplitMix64(seed: seed))
        var positives = Array(repeating: 0, count: labels)
        for unit in units { for (label, count) in unit.counts { positives[label] += count } }
        (self.positives, remaining, examples) = (positives, positives, units.reduce(0) { $0 + $1.size })
        sizes = shares.map { _ in 0 }
        placed = Array(repeating: sizes, count: labels)
        subsets = units.map { _ in nil }
    }

    private mutating func assigned() -> [Int] {
        var members = Array(repeating: [(unit: Int, count: Int)](), count: positives.count)
        for (index, unit) in units.enumerated() {
            for (label, count) in unit.counts { members[label].append((index, count)) }
        }
        while let label = remaining.indices.filter({ remaining[$0] > 0 }).min(by: {
            (remaining[$0], $0) < (remaining[$1], $1)
        }) {
            let order = members[label].filter { subsets[$0.unit] == nil }
                .sorted { (-$0.count, $0.unit) < (-$1.count, $1.unit) }
            for (unit, _) in order { place(unit) }
        }
        for unit in units.indices where subsets[unit] == nil { place(unit) }
        return subsets.map { $0 ?? 0 }
    }

    private mutating func place(_ index: Int) {
        let unit = units[index]
        let subset = subset(for: unit)
        subsets[index] = subset
        sizes[subset] += unit.size
        for (label, count) in unit.counts {
            placed[label][subset] += count
            remaining[label] -= count
        }
    }

    private mutating func subset(for unit: Unit) -> Int {
        // All positives of a label are of most use in the largest subset, which is for training.
        let isOnly = unit.counts.contains { positives[$0.label] == $0.count }
        let largest = shares.max() ?? 0
        let candidates = shares.indices.filter { isOnly ? shares[$0] == largest : shares[$0] > 0 }
        let deviations = candidates.map { growth(of: $0, by: unit) }
        let least = deviations.min()
        let best = zip(candidates, deviations).filter { $0.1 == least }.map(\.0)
        guard best.count > 1 else { return best.first ?? 0 }
        return best[Int(generator.next() % UInt64(best.count))]
    }

    /// Growth of the squared deviations, without a term that is equal for all subsets.
    private func growth(of subset: Int, by unit: Unit) -> Double {
        func growth(_ added: Int, to placed: Int, of all: Int) -> Double {
            let (added, placed, all) = (Double(added), Double(placed), Double(all))
            return added * (2 * placed + added) / (all * all)
        }
        return unit.counts.reduce(growth(unit.size, to: sizes[subset], of: examples)) { sum, entry in
            sum + growth(entry.count, to: placed[entry.label][subset], of: positives[entry.label])
        } / shares[subset]
    }
}

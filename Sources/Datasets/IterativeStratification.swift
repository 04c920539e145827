/// Iterative stratification of examples with several labels: K. Sechidis, G. Tsoumakas, I. Vlahavas, On the
/// Stratification of Multi-label Data, ECML PKDD 2011, with sources instead of examples as the units. The label with
/// the fewest remaining positives is distributed first; each of its units goes to the subset that lacks most positives
/// of the label, in a tie to the one that lacks most examples, in a further tie to one chosen by the seed.
struct IterativeStratification {
    /// A source: the number of its examples, and for each of its labels the number of positive examples.
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
            for (unit, _) in order { place(unit, in: subset(wanting: label)) }
        }
        for unit in units.indices where subsets[unit] == nil { place(unit, in: subset(wanting: nil)) }
        return subsets.map { $0 ?? 0 }
    }

    private mutating func place(_ index: Int, in subset: Int) {
        let unit = units[index]
        subsets[index] = subset
        sizes[subset] += unit.size
        for (label, count) in unit.counts {
            placed[label][subset] += count
            remaining[label] -= count
        }
    }

    /// The subset that lacks most positives of a label, or most examples.
    private mutating func subset(wanting label: Int?) -> Int {
        var best = Array(shares.indices)
        if let label { best = Self.largest(best) { Double(positives[label]) * shares[$0] - Double(placed[label][$0]) } }
        best = Self.largest(best) { Double(examples) * shares[$0] - Double(sizes[$0]) }
        guard best.count > 1 else { return best.first ?? 0 }
        return best[Int(generator.next() % UInt64(best.count))]
    }

    private static func largest(_ subsets: [Int], by value: (Int) -> Double) -> [Int] {
        let values = subsets.map(value)
        let largest = values.max()
        return zip(subsets, values).filter { $0.1 == largest }.map(\.0)
    }
}

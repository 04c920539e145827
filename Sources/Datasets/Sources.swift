/// The sources of examples: their groups, and each example without one.
struct Sources {
    /// The labels of each example, distinct; one for the task `classification`.
    let names: [[String]]
    /// Indices of the examples of each source, in a seeded order.
    let order: [[Int]]
    private let task: DatasetConfiguration.Task
    private let seed: UInt64

    init(
        _ examples: [(label: String, group: String?, name: String)], seed: UInt64,
        task: DatasetConfiguration.Task = .classification, largestFirst isBySize: Bool = false
    ) {
        (self.task, self.seed) = (task, seed)
        var known: [String: [String]] = [:]
        names = examples.map { example in
            if let names = known[example.label] { return names }
            let names = task == .multilabel ? Array(Set(task.names(in: example.label))) : [example.label]
            known[example.label] = names
            return names
        }
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
            for label in Set(indices.flatMap { names[$0] }) { counts[label, default: 0] += 1 }
        }
    }

    func chosen(fraction: Double) -> [Bool] {
        guard task == .classification else { return subsets([fraction, 1 - fraction]).map { $0 == 0 } }
        var wanted = names.joined().reduce(into: [String: Double]()) { $0[$1, default: 0] += fraction }
        var isChosen = Array(repeating: false, count: names.count)
        for indices in order {
            let counts = labelCounts(of: indices).mapValues(Double.init)
            let before = counts.keys.reduce(0) { $0 + abs(wanted[$1, default: 0]) }
            let after = counts.reduce(0) { $0 + abs(wanted[$1.key, default: 0] - $1.value) }
            guard after < before else { continue }
            for (label, count) in counts { wanted[label, default: 0] -= count }
            for index in indices { isChosen[index] = true }
        }
        return isChosen
    }

    /// The subset of each example by iterative stratification. `shares`: the fraction of each subset; the sum is 1.
    func subsets(_ shares: [Double]) -> [Int] {
        let labels = Set(names.joined()).map { (SplitMix64.hash("label " + $0, seed: seed), $0) }.sorted(by: <)
        let index = Dictionary(labels.enumerated().map { ($1.1, $0) }, uniquingKeysWith: { first, _ in first })
        let sources = order.enumerated().sorted { (-$0.element.count, $0.offset) < (-$1.element.count, $1.offset) }
        let units = sources.map { _, members in
            IterativeStratification.Unit(
                size: members.count,
                counts: labelCounts(of: members).compactMap { name, count in index[name].map { ($0, count) } }.sorted(
                    by: <))
        }
        let found = IterativeStratification.subsets(of: units, labels: labels.count, shares: shares, seed: seed)
        var subsets = Array(repeating: 0, count: names.count)
        for (source, subset) in zip(sources, found) { for member in source.element { subsets[member] = subset } }
        return subsets
    }

    private func labelCounts(of indices: [Int]) -> [String: Int] {
        indices.reduce(into: [:]) { counts, index in for name in names[index] { counts[name, default: 0] += 1 } }
    }
}

/// Sets part of a training set aside: seeded, stratified by label, groups never torn apart.
public enum ValidationSplit {
    /// Which of the examples go to validation.
    ///
    /// Groups are visited in a seeded order; each is set aside where that brings the labels' counts
    /// nearer to `fraction` of each. An example without a group is a group of its own.
    ///
    /// - `fraction`: from 0 to below 1.
    /// - `examples`: label, group and something that names the example, such as its path; the outcome
    ///   depends on these and the seed, not on the order.
    public static func choose(
        fraction: Double, examples: [(label: String, group: String?, name: String)], seed: UInt64
    ) -> [Bool] {
        var wanted = examples.reduce(into: [String: Double]()) { $0[$1.label, default: 0] += fraction }
        var members: [String: [Int]] = [:]
        for (index, example) in examples.enumerated() {
            members[example.group.map { "group " + $0 } ?? "clip " + example.name, default: []].append(index)
        }
        var isChosen = Array(repeating: false, count: examples.count)
        for (_, indices) in members.sorted(by: {
            (SplitMix64.hash($0.key, seed: seed), $0.key) < (SplitMix64.hash($1.key, seed: seed), $1.key)
        }) {
            let counts = indices.reduce(into: [String: Double]()) { $0[examples[$1].label, default: 0] += 1 }
            let before = counts.keys.reduce(0) { $0 + abs(wanted[$1]!) }
            let after = counts.reduce(0) { $0 + abs(wanted[$1.key]! - $1.value) }
            guard after < before else { continue }
            for (label, count) in counts { wanted[label]! -= count }
            for index in indices { isChosen[index] = true }
        }
        return isChosen
    }
}

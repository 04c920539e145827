/// How labels are distributed over the clips of a data set with several labels a clip.
package struct LabelStatistics: Sendable, Equatable {
    /// Number of clips.
    package let clips: Int
    /// Labels a clip: the mean and the maximum.
    package let mean: Double, most: Int
    /// Number of clips without labels.
    package let unlabelled: Int
    /// Pairs of labels of one clip with the number of clips, the most frequent first.
    package let pairs: [Pair]

    package struct Pair: Sendable, Equatable {
        package let one, other: String
        package let clips: Int
    }

    /// `labels`: the distinct labels of each clip.
    package init(_ labels: [[String]]) {
        clips = labels.count
        let counts = labels.map(\.count)
        most = counts.max() ?? 0
        mean = labels.isEmpty ? 0 : Double(counts.reduce(0, +)) / Double(labels.count)
        unlabelled = counts.count { $0 == 0 }
        var pairs: [String: [String: Int]] = [:]
        for own in labels {
            let sorted = own.sorted()
            for (index, one) in sorted.enumerated() {
                for other in sorted.dropFirst(index + 1) { pairs[one, default: [:]][other, default: 0] += 1 }
            }
        }
        self.pairs = pairs.flatMap { one, others in others.map { Pair(one: one, other: $0.key, clips: $0.value) } }
            .sorted { ($1.clips, $0.one, $0.other) < ($0.clips, $1.one, $1.other) }
    }
}

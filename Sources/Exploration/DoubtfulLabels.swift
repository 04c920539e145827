import FeatureCache

/// A clip whose label neither a model that never saw it nor its neighbours believe.
public struct DoubtfulLabel: Sendable, Equatable {
    /// Among the clips.
    public let index: Int
    /// What both say instead, or the model where they differ.
    public let suggested: String
    /// Probability of the label, by models that never saw the clip.
    public let probability: Double
    /// Of `suggested`.
    let suggestedProbability: Double
    /// Of the clip's neighbours, those that have its label.
    public let neighborShare: Double
    /// From 0 to 1, most doubtful first.
    public let score: Double
}

/// Confident learning (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068), with two witnesses: a clip is doubtful where another
/// class is more probable than its own, at least half as probable as that class is for clips that have it on average, and
/// where fewer than half of its neighbours have its label. The published threshold is the whole average, which alone misses
/// more than half of what is planted.
public enum DoubtfulLabels {
    /// Neighbours that are asked.
    public static let neighbors = 10

    /// - `predictions`: of models that never saw the clip, by row of `video`.
    /// - `labels`: in the order of the probabilities.
    /// - Returns: most doubtful first.
    public static func find(
        _ vectors: ClipVectors, nearest: [[Neighbor]], predictions: [Int64: PredictionRecord], labels: [String]
    ) -> [DoubtfulLabel] {
        let thresholds = thresholds(predictions.values, labels)
        return vectors.examples.indices.compactMap { index -> DoubtfulLabel? in
            let example = vectors.examples[index]
            guard let prediction = predictions[example.videoID], prediction.probabilities.count == labels.count,
                let own = labels.firstIndex(of: example.label)
            else { return nil }
            let probabilities = prediction.probabilities
            let other = labels.indices.filter { $0 != own && probabilities[$0] >= thresholds[$0] / 2 }
                .max { probabilities[$0] < probabilities[$1] }
            guard let other, probabilities[other] > probabilities[own] else { return nil }
            let around = nearest[index].prefix(neighbors)
            let share =
                Double(around.count { vectors.examples[$0.index].label == example.label })
                / Double(max(1, around.count))
            guard share < 0.5 else { return nil }
            let margin = (1 + probabilities[other] - probabilities[own]) / 2
            return DoubtfulLabel(
                index: index, suggested: labels[other], probability: probabilities[own],
                suggestedProbability: probabilities[other], neighborShare: share, score: margin * (1 - share))
        }
        .sorted { ($1.score, vectors.examples[$0.index].path) < ($0.score, vectors.examples[$1.index].path) }
    }

    /// Mean probability of each class over the clips that have it.
    private static func thresholds(
        _ predictions: some Collection<PredictionRecord>, _ labels: [String]
    ) -> [Double] {
        labels.enumerated().map { place, label in
            let own = predictions.filter { $0.label == label && $0.probabilities.count == labels.count }
            return own.isEmpty
                ? 1 : own.reduce(0) { $0 + $1.probabilities[place] } / Double(own.count)
        }
    }
}

import FeatureCache

/// A suspected label error: neither a model that was not trained on the clip nor its neighbours support its label.
package struct SuspectedLabelError: Sendable, Equatable {
    package let index: Int
    /// The label that both suggest, or the model's if they differ.
    package let suggested: String
    /// Out-of-fold probability of the clip's label.
    package let probability: Double
    /// Out-of-fold probability of `suggested`.
    let suggestedProbability: Double
    /// Share of the clip's neighbours with its label.
    package let neighborShare: Double
    /// From 0 to 1; higher is more suspicious.
    package let score: Double
}

/// Finds suspected label errors by confident learning (Northcutt, Jiang, Chuang 2021, arXiv:1911.00068) confirmed by
/// neighbours: another class is more probable than the clip's own, and at least half as probable as it is on average
/// for clips with that label, and fewer than half of the clip's neighbours have its label. The published threshold is
/// the whole average, which misses more than half of artificially corrupted labels.
package enum SuspectedLabelErrors {
    package static let neighbors = 10

    /// `predictions`: out-of-fold, by row ID of `video`. `labels`: in the probabilities' order. Most suspicious first.
    package static func find(
        _ vectors: ClipVectors, nearest: [[Neighbor]], predictions: [Int64: PredictionRecord], labels: [String]
    ) -> [SuspectedLabelError] {
        let thresholds = thresholds(predictions.values, labels)
        return vectors.examples.indices.compactMap { index -> SuspectedLabelError? in
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
            return SuspectedLabelError(
                index: index, suggested: labels[other], probability: probabilities[own],
                suggestedProbability: probabilities[other], neighborShare: share, score: margin * (1 - share))
        }.sorted { ($1.score, vectors.examples[$0.index].path) < ($0.score, vectors.examples[$1.index].path) }
    }

    /// Mean probability of each class over the clips with that label.
    private static func thresholds(_ predictions: some Collection<PredictionRecord>, _ labels: [String]) -> [Double] {
        labels.enumerated().map { place, label in
            let own = predictions.filter { $0.label == label && $0.probabilities.count == labels.count }
            return own.isEmpty ? 1 : own.reduce(0) { $0 + $1.probabilities[place] } / Double(own.count)
        }
    }
}

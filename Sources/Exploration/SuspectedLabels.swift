import Datasets
import FeatureCache

/// A label that a clip with several labels is suspected to lack, or to have wrongly.
package struct SuspectedLabel: Sendable, Equatable {
    /// Of the clip.
    package let index: Int
    package let label: String
    /// Whether the clip lacks the label; otherwise it has it.
    package let isMissing: Bool
    /// Out-of-fold probability of the label.
    package let probability: Double
    /// Share of the clip's neighbours that have the label.
    package let neighborShare: Double
    /// From 0 to 1; higher is more suspicious.
    package let score: Double
}

/// Finds suspected missing and wrong labels by confident learning for each label as a class of its own (Northcutt,
/// Jiang, Chuang 2021, arXiv:1911.00068), confirmed by neighbours.
///
/// Two groups of clips are compared for each label: those that have it and those that do not. A clip of one group is
/// suspected if its probability of the label is nearer to the mean of the other group, and so is the share of its
/// neighbours that have the label. The published threshold is the mean of the other group itself; of labels that were
/// flipped in simulated data, it finds 71 to 80 %, and the midpoint 87 to 97 %.
package enum SuspectedLabels {
    package static let neighbors = SuspectedLabelErrors.neighbors

    /// `vectors`: their examples' labels are texts of a `LabelSet`. `nearest`: of each clip, the most similar first.
    /// `predictions`: out-of-fold, by row ID of `video`. `labels`: in the order of the probabilities. Most suspicious
    /// first.
    package static func find(
        _ vectors: ClipVectors, nearest: [[Neighbor]], predictions: [Int64: PredictionRecord], labels: [String]
    ) -> [SuspectedLabel] {
        let places = labels.places
        let own = vectors.examples.map { example in
            Set((LabelSet.names(example.label) ?? []).compactMap { places[$0] })
        }
        let shares = nearest.map { labelShares($0.prefix(neighbors).map { own[$0.index] }) }
        let used = vectors.examples.indices.filter { index in
            predictions[vectors.examples[index].videoID]?.probabilities.count == labels.count
        }
        return labels.indices.flatMap { label in
            let points = used.compactMap { index -> Point? in
                guard let prediction = predictions[vectors.examples[index].videoID] else { return nil }
                return Point(
                    index: index, isLabelled: own[index].contains(label),
                    probability: prediction.probabilities[label], share: shares[index][label] ?? 0)
            }
            return suspected(points, labels[label])
        }.sorted {
            ($1.score, vectors.examples[$0.index].path, $0.label)
                < ($0.score, vectors.examples[$1.index].path, $1.label)
        }
    }

    /// A clip with respect to one label.
    private struct Point {
        let index: Int
        let isLabelled: Bool
        let probability, share: Double
    }

    private static func suspected(_ points: [Point], _ label: String) -> [SuspectedLabel] {
        // Without a difference between the groups nothing can be said about the label.
        guard let probability = middle(points, \.probability), let share = middle(points, \.share) else { return [] }
        return points.compactMap { point in
            let isMissing = !point.isLabelled
            guard isMissing == (point.probability >= probability), isMissing == (point.share >= share) else {
                return nil
            }
            let score =
                isMissing
                ? point.probability * point.share : (1 - point.probability) * (1 - point.share)
            return SuspectedLabel(
                index: point.index, label: label, isMissing: isMissing, probability: point.probability,
                neighborShare: point.share, score: score)
        }
    }

    /// The midpoint of the means of clips with and without the label; nil if one group is empty, or if clips with the
    /// label do not have the larger mean.
    private static func middle(_ points: [Point], _ value: (Point) -> Double) -> Double? {
        func mean(_ isLabelled: Bool) -> Double {
            let values = points.filter { $0.isLabelled == isLabelled }.map(value)
            return values.reduce(0, +) / Double(values.count)
        }
        let (with, without) = (mean(true), mean(false))
        return with > without ? (with + without) / 2 : nil
    }

    /// Share of the clips that have each label; others are omitted.
    private static func labelShares(_ clips: [Set<Int>]) -> [Int: Double] {
        clips.joined().reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
            .mapValues { Double($0) / Double(clips.count) }
    }
}

import Datasets
import FeatureCache
import SequenceModels

/// Wrong decisions for a clip and a label.
struct LabelErrors {
    struct Entry: Sendable {
        let prediction: PredictionRecord
        let label: String
        let isMiss: Bool
        /// Of the label.
        let probability: Double
    }

    /// Labels that a clip has and is not predicted to have, the least probable first.
    let misses: [Entry]
    /// Labels that a clip is wrongly predicted to have, the most probable first.
    let falseAlarms: [Entry]

    /// `labels`: in the order of the probabilities.
    init(_ predictions: [PredictionRecord], labels: [String]) {
        let task = DatasetConfiguration.Task.multilabel
        var (misses, alarms): ([Entry], [Entry]) = ([], [])
        for prediction in predictions where prediction.probabilities.count == labels.count {
            let (truth, predicted) = (
                Set(task.names(in: prediction.label)), Set(task.names(in: prediction.predicted))
            )
            for (label, probability) in zip(labels, prediction.probabilities)
            where truth.contains(label) != predicted.contains(label) {
                let isMiss = truth.contains(label)
                let entry = Entry(prediction: prediction, label: label, isMiss: isMiss, probability: probability)
                if isMiss { misses.append(entry) } else { alarms.append(entry) }
            }
        }
        self.misses = misses.sorted { $0.probability < $1.probability }
        falseAlarms = alarms.sorted { $0.probability > $1.probability }
    }
}

/// How often two labels occur in one clip.
struct LabelPairs {
    struct Pair {
        let first, second: String
        /// Clips that have both, and clips that are predicted to.
        let clips, predicted: Int
    }

    /// The labels of the matrix, most frequent first.
    let labels: [String]
    /// `[label][label]`: clips that have both; on the diagonal, clips of the label.
    let counts: [[Int]]
    /// Pairs that some clip has, most frequent first.
    let pairs: [Pair]

    /// Maximum number of labels in the matrix.
    private static let most = 40

    init(_ predictions: [PredictionRecord], labels all: [String]) {
        let task = DatasetConfiguration.Task.multilabel
        func sets(_ texts: [String]) -> [[Int]] {
            let places = all.places
            return texts.map { task.names(in: $0).compactMap { places[$0] }.sorted() }
        }
        let (truth, predicted) = (sets(predictions.map(\.label)), sets(predictions.map(\.predicted)))
        let (ofTruth, ofPredicted) = (Self.pairs(truth), Self.pairs(predicted))
        pairs = ofTruth.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { key, clips in
            Pair(
                first: all[key.first], second: all[key.second], clips: clips, predicted: ofPredicted[key] ?? 0)
        }
        let single = truth.joined().reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        let shown = all.indices.filter { single[$0] != nil }.sorted {
            (-(single[$0] ?? 0), $0) < (-(single[$1] ?? 0), $1)
        }
        .prefix(Self.most)
        labels = shown.map { all[$0] }
        counts = shown.map { one in
            shown.map { other in
                one == other ? single[one] ?? 0 : ofTruth[PairKey(min(one, other), max(one, other))] ?? 0
            }
        }
    }

    private struct PairKey: Hashable, Comparable {
        let first, second: Int
        init(_ first: Int, _ second: Int) { (self.first, self.second) = (first, second) }
        static func < (one: Self, other: Self) -> Bool { (one.first, one.second) < (other.first, other.second) }
    }

    private static func pairs(_ sets: [[Int]]) -> [PairKey: Int] {
        var counts: [PairKey: Int] = [:]
        for set in sets {
            for (place, first) in set.enumerated() {
                for second in set.dropFirst(place + 1) { counts[PairKey(first, second), default: 0] += 1 }
            }
        }
        return counts
    }
}

extension ClipView {
    /// A clip with a wrong decision for a label. `labels`: in the order of the probabilities.
    init(_ clip: UsedClip, _ error: LabelErrors.Entry, labels: [String], strip: FrameStrip) {
        let task = DatasetConfiguration.Task.multilabel
        let truth = Set(task.names(in: error.prediction.label))
        let predicted = Set(task.names(in: error.prediction.predicted))
        let ranked = zip(labels, error.prediction.probabilities).sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        var shown = Array(ranked.prefix(5))
        shown += ranked.dropFirst(5).filter { $0.0 == error.label || truth.contains($0.0) }.prefix(5)
        let bars = shown.map { label, probability in
            Bar(
                label: label, width: decimal(100 * probability, 2) + "%", number: percent(probability),
                kind: truth.contains(label) ? "true" : predicted.contains(label) ? "false" : "")
        }
        self.init(
            path: clip.path, truth: LabelSet.shown(truth.sorted()), predicted: error.label, isWrong: true,
            relation: "\(error.isMiss ? "missed" : "wrongly predicted") at \(percent(error.probability)); labels:",
            problem: strip.problem, frames: strip.frames, bars: bars)
    }
}

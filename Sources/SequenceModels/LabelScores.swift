import Threads

/// Scores and labels of clips with any number of labels: the input of all metrics of multilabel classification.
///
/// A clip with a non-finite score is unscored. Nothing is predicted for it, and it never improves a metric.
package struct LabelScores: Sendable {
    /// Labels of the head, then labels of the clips that the head lacks.
    package let labels: [String]
    /// Number of the head's labels.
    package let knownClasses: Int
    /// Number of clips.
    package let count: Int
    /// Number of clips of each label.
    package let positives: [Int]
    /// Number of unscored clips.
    package let unscored: Int
    /// `[clip]`.
    let isScored: [Bool]
    /// `[clip, class]` in row-major order, of the head's labels.
    let scores: [Double]
    /// `[clip, label]` in row-major order.
    let truth: [Bool]
    /// `[label]`.
    let rankings: [LabelRanking]

    /// - `scores`: `[clip, class]` in row-major order, of the head's labels; NaN if missing. Higher is more probable.
    /// - `truth`: `[clip][label]`: whether the clip has the label; false if missing.
    /// - `known`: number of the head's labels, which come first in `labels`, and at most as many.
    /// - Precondition: `scores` has `known` elements for each clip.
    init(scores: [Double], truth rows: [[Bool]], labels: [String], known: Int) {
        let (count, width) = (rows.count, labels.count)
        precondition(known <= width && scores.count == count * known, "\(scores.count) scores of \(count) clips")
        var truth = Array(repeating: false, count: count * width)
        for (clip, row) in rows.enumerated() {
            for (label, value) in row.prefix(width).enumerated() where value { truth[clip * width + label] = true }
        }
        let isScored = (0..<count).map { scores[$0 * known..<($0 + 1) * known].allSatisfy(\.isFinite) }
        let rankings = concurrentMap(width) { [truth] label in
            var entries: [(score: Double, clip: Int)] = []
            var missed: [Int] = []
            for clip in 0..<count {
                if label < known, isScored[clip] {
                    entries.append((scores[clip * known + label], clip))
                } else if truth[clip * width + label] {
                    missed.append(clip)
                }
            }
            entries.sort { $0.score > $1.score }
            return LabelRanking(entries, missed: missed) { truth[$0 * width + label] }
        }
        (self.labels, self.knownClasses, self.count) = (labels, known, count)
        (self.scores, self.truth, self.isScored, self.rankings) = (scores, truth, isScored, rankings)
        positives = rankings.map { ranking in ranking.missed.count + ranking.entries.count { $0.isPositive } }
        unscored = isScored.count { !$0 }
    }

    /// Whether all scores are finite. Otherwise no metric may be used for ranking or model selection.
    package var isFinite: Bool { unscored == 0 }

    func score(_ clip: Int, _ label: Int) -> Double { scores[clip * knownClasses + label] }

    func isTrue(_ clip: Int, _ label: Int) -> Bool { truth[clip * labels.count + label] }

    /// The true labels of a clip.
    func trueLabels(_ clip: Int) -> [Int] { labels.indices.filter { isTrue(clip, $0) } }
}

/// The scored clips of one label by descending score.
struct LabelRanking: Sendable {
    struct Entry: Sendable {
        let clip: Int32
        let isPositive: Bool
        /// Whether the next clip has a lower score, or there is none.
        let endsTie: Bool
    }

    let entries: [Entry]
    /// Clips with the label that have no score for it: they are never retrieved.
    let missed: [Int]

    init(_ sorted: [(score: Double, clip: Int)], missed: [Int], isPositive: (Int) -> Bool) {
        entries = sorted.indices.map { place in
            Entry(
                clip: Int32(sorted[place].clip), isPositive: isPositive(sorted[place].clip),
                endsTie: place + 1 == sorted.count || sorted[place + 1].score < sorted[place].score)
        }
        self.missed = missed
    }

    /// Average precision over clips with weights: Σ (recall − previous recall) · precision over the distinct scores, as
    /// scikit-learn's `average_precision_score`. Nil if no positive has a positive weight. `weights`: of all clips, at
    /// least 0.
    func averagePrecision(weights: [Double]) -> Double? {
        var (sum, before, positives, all) = (0.0, 0.0, 0.0, 0.0)
        weights.withUnsafeBufferPointer { weights in
            for entry in entries {
                let weight = weights[Int(entry.clip)]
                all += weight
                if entry.isPositive { positives += weight }
                guard entry.endsTie, positives > before else { continue }
                sum += (positives - before) * positives / all
                before = positives
            }
        }
        let total = missed.reduce(positives) { $0 + weights[$1] }
        return total > 0 ? sum / total : nil
    }
}

extension LabelScores {
    /// Number of true and of all clips whose score is at least `score`.
    struct Step {
        let score: Double
        let truePositives, predicted: Int
    }

    /// For each distinct score of a label, highest first; empty for a label without scores.
    func steps(_ label: Int) -> [Step] {
        var steps: [Step] = []
        var truePositives = 0
        for (place, entry) in rankings[label].entries.enumerated() {
            if entry.isPositive { truePositives += 1 }
            guard entry.endsTie else { continue }
            let score = score(Int(entry.clip), label)
            steps.append(Step(score: score, truePositives: truePositives, predicted: place + 1))
        }
        return steps
    }

    /// A point of a precision–recall curve: clips with at least `threshold` are predicted.
    package struct CurvePoint: Sendable, Equatable {
        package let threshold, precision, recall: Double
    }

    /// The precision–recall curve of a label as the threshold falls, one point for each distinct score, as
    /// scikit-learn's `precision_recall_curve` without its last point; empty for a label without positives or scores.
    package func precisionRecallCurve(_ label: Int) -> [CurvePoint] {
        guard labels.indices.contains(label), positives[label] > 0 else { return [] }
        return steps(label).map { step in
            CurvePoint(
                threshold: step.score, precision: Double(step.truePositives) / Double(step.predicted),
                recall: Double(step.truePositives) / Double(positives[label]))
        }
    }
}

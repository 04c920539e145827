/// Metrics of multilabel classification, with scikit-learn's definitions unless stated otherwise.
///
/// A label of the clips that the head lacks has an average precision of 0, is never predicted, and ranks below all
/// others. An unscored clip (with a non-finite score) counts as the worst possible in every metric. Metrics of no clips
/// are NaN.
package struct LabelMetrics: Sendable, Equatable {
    /// Mean loss over clips and labels; NaN if there are none, or if a score is NaN.
    package let loss: Double
    /// Number of clips.
    package let count: Int
    /// Labels of the head, then labels of the clips that the head lacks.
    package let labels: [String]
    /// Number of the head's labels.
    package let knownClasses: Int
    /// Number of clips of each label.
    package let positives: [Int]
    /// Number of clips with a non-finite score.
    package let unscored: Int
    /// Average precision of each label; nil for a label without clips.
    package let averagePrecision: [Double?]
    /// Average precision over all pairs of a clip and a label.
    package let microAveragePrecision: Double
    /// With the given thresholds.
    package let atThresholds: LabelDecisions
    /// With the threshold 0.5 for all labels.
    package let atHalf: LabelDecisions
    /// Mean number of the most probable labels that contain all labels of a clip: `coverage_error`. Clips without
    /// labels count 0.
    package let coverageError: Double
    /// Mean over clips, and over the labels of a clip, of the precision among the labels that are at least as probable:
    /// `label_ranking_average_precision_score`. Clips without labels count 1.
    package let rankingAveragePrecision: Double
    /// Global average precision of YouTube-8M (Abu-El-Haija et al. 2016, arXiv:1609.08675): over the 20 most probable
    /// labels of each clip together, with recall among all labels of all clips. Equal probabilities have the precision
    /// of the last of them; where they are more than fit into the 20, the first labels are taken. (YouTube-8M's
    /// evaluation shuffles them.)
    package let globalAveragePrecision: Double
    /// Mean average precision of Charades' evaluation (Sigurdsson et al. 2016, arXiv:1604.01753), in which clips
    /// without labels rank below all others: they are no false positives. Over labels that have clips; equal
    /// probabilities are treated as above.
    package let charadesMeanAveragePrecision: Double

    /// `thresholds`: of the head's labels; 0.5 for those that are missing.
    package init(_ scores: LabelScores, loss: Double, thresholds: [Double] = []) {
        self.init(scores, loss: loss, decisions: LabelDecisions(scores, thresholds: thresholds))
    }

    /// `decide`: whether a scored clip is predicted to have a label of the head.
    init(_ scores: LabelScores, loss: Double, decide: (_ clip: Int, _ label: Int) -> Bool) {
        self.init(scores, loss: loss, decisions: LabelDecisions(scores, decide: decide))
    }

    private init(_ scores: LabelScores, loss: Double, decisions: LabelDecisions) {
        self.loss = loss
        (count, labels, knownClasses) = (scores.count, scores.labels, scores.knownClasses)
        (positives, unscored) = (scores.positives, scores.unscored)
        averagePrecision = scores.averagePrecisions(weights: Array(repeating: 1, count: scores.count))
        microAveragePrecision = scores.microAveragePrecision()
        atThresholds = decisions
        atHalf = LabelDecisions(scores, thresholds: [])
        (coverageError, rankingAveragePrecision) = scores.rankingMetrics()
        globalAveragePrecision = scores.globalAveragePrecision(top: 20)
        let isLabelled = (0..<scores.count).map { scores.trueLabels($0).isEmpty ? 0.0 : 1 }
        charadesMeanAveragePrecision = Self.mean(scores.averagePrecisions(weights: isLabelled))
    }

    /// Mean average precision (mAP): over the labels that have clips, also those that the head lacks. scikit-learn's
    /// macro average also counts labels without clips, as 0.
    package var meanAveragePrecision: Double { Self.mean(averagePrecision) }

    /// Mean of the average precisions, weighted by the clips of the labels.
    package var weightedAveragePrecision: Double {
        let sum = zip(averagePrecision, positives).reduce(0) { $0 + ($1.0 ?? 0) * Double($1.1) }
        return sum / Double(positives.reduce(0, +))
    }

    /// Whether every score is finite. Otherwise no metric may be used for ranking or model selection.
    package var isFinite: Bool { unscored == 0 }

    /// Mean of the values that are not nil; NaN if there are none.
    static func mean(_ values: [Double?]) -> Double {
        let known = values.compactMap(\.self)
        return known.reduce(0, +) / Double(known.count)
    }
}

extension LabelScores {
    /// Of each label, over clips with weights.
    func averagePrecisions(weights: [Double]) -> [Double?] {
        rankings.map { $0.averagePrecision(weights: weights) }
    }

    func microAveragePrecision() -> Double {
        pooledAveragePrecision { clip, add in
            for label in 0..<knownClasses { add(label) }
        }
    }

    /// Over the `top` most probable labels of each clip; the first of equal ones.
    func globalAveragePrecision(top: Int) -> Double {
        pooledAveragePrecision { clip, add in
            let own = scores[clip * knownClasses..<(clip + 1) * knownClasses]
            // The lowest score that is taken, and how many labels with this score.
            let least = own.count > top ? own.sorted(by: >)[top - 1] : -.infinity
            var left = top - own.count { $0 > least }
            for label in 0..<knownClasses {
                let score = score(clip, label)
                if score == least { left -= 1 }
                if score > least || (score == least && left >= 0) { add(label) }
            }
        }
    }

    /// Average precision over pairs of a scored clip and a label; `select` passes the labels of a clip. NaN if no clip
    /// has a label.
    private func pooledAveragePrecision(_ select: (_ clip: Int, _ add: (Int) -> Void) -> Void) -> Double {
        var (hits, others): ([Double], [Double]) = ([], [])
        for clip in 0..<count where isScored[clip] {
            select(clip) { label in
                if isTrue(clip, label) {
                    hits.append(score(clip, label))
                } else {
                    others.append(score(clip, label))
                }
            }
        }
        hits.sort(by: >)
        others.sort(by: >)
        var (sum, place, below) = (0.0, 0, 0)
        while place < hits.count {
            let (score, before) = (hits[place], place)
            while place < hits.count, hits[place] == score { place += 1 }
            while below < others.count, others[below] >= score { below += 1 }
            sum += Double(place - before) * Double(place) / Double(place + below)
        }
        return sum / Double(positives.reduce(0, +))
    }

    /// Coverage error and label ranking average precision.
    func rankingMetrics() -> (coverage: Double, precision: Double) {
        var (coverage, precision) = (0.0, 0.0)
        for clip in 0..<count {
            guard isScored[clip] else {
                coverage += Double(labels.count)
                continue
            }
            let own = trueLabels(clip)
            let (mine, unknown) = (own.prefix { $0 < knownClasses }, own.contains { $0 >= knownClasses })
            var (deepest, sum) = (unknown ? labels.count : 0, 0.0)
            for label in mine {
                let least = score(clip, label)
                let rank = (0..<knownClasses).count { score(clip, $0) >= least }
                sum += Double(mine.count { score(clip, $0) >= least }) / Double(rank)
                deepest = max(deepest, rank)
            }
            coverage += Double(deepest)
            precision += own.isEmpty ? 1 : sum / Double(own.count)
        }
        return (coverage / Double(count), precision / Double(count))
    }
}

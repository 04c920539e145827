/// Metrics of predicted labels: a label is predicted if its probability is at least its threshold. Zero divided by zero
/// is 0, as scikit-learn's `zero_division=0`.
package struct LabelDecisions: Sendable, Equatable {
    /// Numbers of clips of one label, or their sums over labels.
    package struct Counts: Sendable, Equatable {
        /// Clips that have the label and are predicted to, clips that are predicted to, and clips that have it.
        package let truePositives, predicted, positives: Int

        package var rates: Rates {
            Rates(
                precision: Double(truePositives) / Double(max(1, predicted)),
                recall: Double(truePositives) / Double(max(1, positives)),
                f1: 2 * Double(truePositives) / Double(max(1, predicted + positives)))
        }
    }

    package struct Rates: Sendable, Equatable {
        /// From 0 to 1. `f1` is the harmonic mean of the two for one label, and the mean over labels in averages.
        package let precision, recall, f1: Double
    }

    /// The probability from which each of the head's labels is predicted.
    package let thresholds: [Double]
    /// In the order of the labels. Labels that the head lacks are never predicted.
    package let classes: [Counts]
    /// Share of clips whose predicted labels are exactly the true ones; an unscored clip counts as wrong. NaN without
    /// clips.
    package let subsetAccuracy: Double
    /// Share of the decisions for all clips and labels that are wrong; all decisions for an unscored clip count as
    /// wrong. NaN without clips or labels.
    package let hammingLoss: Double

    /// `thresholds`: of the head's labels; 0.5 for those that are missing.
    package init(_ scores: LabelScores, thresholds: [Double]) {
        let thresholds = (0..<scores.knownClasses).map { $0 < thresholds.count ? thresholds[$0] : 0.5 }
        self.init(scores, thresholds: thresholds) { scores.score($0, $1) >= thresholds[$1] }
    }

    /// `decide`: whether a scored clip is predicted to have a label of the head.
    init(_ scores: LabelScores, thresholds: [Double] = [], decide: (_ clip: Int, _ label: Int) -> Bool) {
        let (known, width) = (scores.knownClasses, scores.labels.count)
        var truePositives = Array(repeating: 0, count: width)
        var predicted = truePositives
        var (exact, wrong) = (0, 0)
        for clip in 0..<scores.count {
            guard scores.isScored[clip] else {
                wrong += width
                continue
            }
            var errors = 0
            for label in 0..<width {
                let isPredicted = label < known && decide(clip, label)
                let isTrue = scores.isTrue(clip, label)
                if isPredicted { predicted[label] += 1 }
                if isPredicted && isTrue { truePositives[label] += 1 }
                if isPredicted != isTrue { errors += 1 }
            }
            wrong += errors
            if errors == 0 { exact += 1 }
        }
        self.thresholds = thresholds
        classes = (0..<width).map {
            Counts(truePositives: truePositives[$0], predicted: predicted[$0], positives: scores.positives[$0])
        }
        subsetAccuracy = Double(exact) / Double(scores.count)
        hammingLoss = Double(wrong) / (Double(scores.count) * Double(width))
    }

    /// Means over the labels that some clip has or is predicted to have. scikit-learn also counts the others, as 0.
    /// NaN if there are none.
    package var macro: Rates { mean(classes.filter { $0.positives + $0.predicted > 0 }.map { ($0.rates, 1) }) }

    /// Means over the labels, weighted by their clips. NaN if no clip has a label.
    package var weighted: Rates { mean(classes.map { ($0.rates, Double($0.positives)) }) }

    /// Of the sums over labels.
    package var micro: Rates {
        Counts(
            truePositives: classes.reduce(0) { $0 + $1.truePositives },
            predicted: classes.reduce(0) { $0 + $1.predicted }, positives: classes.reduce(0) { $0 + $1.positives }
        ).rates
    }

    private func mean(_ rates: [(rates: Rates, weight: Double)]) -> Rates {
        func mean(_ value: (Rates) -> Double) -> Double {
            rates.reduce(0) { $0 + value($1.rates) * $1.weight } / rates.reduce(0) { $0 + $1.weight }
        }
        return Rates(precision: mean(\.precision), recall: mean(\.recall), f1: mean(\.f1))
    }
}

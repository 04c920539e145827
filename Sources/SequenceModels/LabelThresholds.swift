/// Decision thresholds for each label: those with the highest F1 on clips that the head was not trained on.
package struct LabelThresholds: Sendable, Equatable {
    /// The probability from which each of the head's labels is predicted, above 0 and below 1.
    package let values: [Double]
    /// F1 of each label with its threshold on these clips. It is optimistic: other clips decide how well the threshold
    /// generalises. Nil where the threshold stays 0.5, for a label that no scored clip, or every one, has.
    package let f1: [Double?]

    /// The candidates are the distinct scores: clips with at least this score are predicted. Among candidates with the
    /// same F1, the highest is taken, which predicts the fewest clips. The threshold is the midpoint between the score
    /// and the next lower one, or 0 if there is none.
    package init(_ scores: LabelScores) {
        let best = (0..<scores.knownClasses).map { Self.best(scores, $0) }
        values = best.map { $0?.threshold ?? 0.5 }
        f1 = best.map { $0?.f1 }
    }

    private static func best(_ scores: LabelScores, _ label: Int) -> (threshold: Double, f1: Double)? {
        let steps = scores.steps(label)
        guard let last = steps.last, last.truePositives > 0, last.truePositives < last.predicted else { return nil }
        var best: (threshold: Double, f1: Double)?
        for (place, step) in steps.enumerated() {
            let lower = place + 1 < steps.count ? steps[place + 1].score : 0
            let threshold = lower + (step.score - lower) / 2
            let f1 = 2 * Double(step.truePositives) / Double(step.predicted + scores.positives[label])
            // Between neighbouring floating-point numbers there may be no such threshold.
            guard threshold > 0, threshold < 1, threshold > lower || place + 1 == steps.count else { continue }
            if f1 > best?.f1 ?? 0 { best = (threshold, f1) }
        }
        return best
    }
}

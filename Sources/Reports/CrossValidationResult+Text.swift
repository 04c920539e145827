import SequenceModels

extension CrossValidationResult.Summary {
    /// What the metrics on held-out clips mean, as a sentence. `averaged`: accuracy of the averaged out-of-fold
    /// probabilities; with one repetition, of the single models. `interval`: 95 % interval of that accuracy.
    package func text(averaged: Double, interval: Statistics.Interval) -> String {
        let (mean, deviation) = accuracy
        let spread = percent(mean) + (deviation.map { " ± \(percent($0))" } ?? "")
        let range = "95 %: \(percent(interval.lower)) to \(percent(interval.upper))"
        let failed = diverged ?? 0
        let note = failed > 0 ? "; \(failed) of \(folds * repeats) models diverged after their best epoch" : ""
        guard repeats > 1 else {
            return
                "held-out accuracy \(percent(averaged)) (\(range)); mean and standard deviation over \(folds) folds: \(spread)\(note)"
        }
        return
            "held-out accuracy of single models \(spread) (mean and standard deviation over \(folds) folds, \(repeats) repeats); of the "
            + "ensemble of \(repeats) repeats \(percent(averaged)) (\(range))\(note)"
    }
}

import SequenceModels

extension Metrics {
    /// Accuracy (`interval`: 95 %), top-k accuracy if there are more classes, and metrics of the probabilities.
    package func summary(top: [Int], scores: ScoreMetrics, interval: Statistics.Interval) -> String {
        var table = TextTable([("measure", .left), ("value", .right)])
        table.append(["clips", grouped(count)])
        table.append([unknown.count > 0 ? "loss of known classes" : "loss", decimal(loss, 4)])
        table.append(["accuracy", percent(accuracy)])
        table.append(["  95 % interval", "\(percent(interval.lower)) to \(percent(interval.upper))"])
        for k in top where k > 1 && k < labels.count { table.append(["top-\(k)", percent(accuracy(top: k))]) }
        table.append(["balanced accuracy", percent(balancedAccuracy)])
        table.append(["macro F1", percent(macroF1)])
        table.append(["mean average precision", percent(scores.meanAveragePrecision)])
        table.append(["calibration error", percent(scores.calibrationError)])
        if let roc = scores.roc {
            table.append(["area under ROC", percent(roc.area)])
            table.append(["  best threshold for \(roc.positive)", percent(roc.threshold)])
        }
        return table.text
    }

    /// Clips, correct ones, recall, precision and F1 of each class, and its most frequent confusion.
    package var perClassTable: String {
        var table = TextTable([
            ("class", .left), ("clips", .right), ("correct", .right), ("recall", .right), ("precision", .right),
            ("F1", .right), ("most often predicted as", .left),
        ])
        for (index, label) in labels.enumerated() {
            let (count, correct) = perClass(index)
            table.append(
                [label, "\(count)", "\(correct)"] + percentages(index) + [mostFrequentConfusion(index) ?? ""])
        }
        return table.text
    }

    /// Recall, precision and F1 of a class.
    func percentages(_ label: Int) -> [String] {
        [recall(label).map(percent) ?? "–", percent(precision(label)), percent(f1(label))]
    }

    /// The class that a class's clips are most often misclassified as, with their number.
    func mostFrequentConfusion(_ label: Int) -> String? {
        let mistakes = confusion[label].enumerated().filter { $0.offset != label && $0.element > 0 }
        let worst = mistakes.max { ($0.element, -$0.offset) < ($1.element, -$1.offset) }
        return worst.map { "\(labels[$0.offset]) (\($0.element))" }
    }

    /// The confusion matrix; rows are true classes, columns predicted ones, with equal numbers.
    package var confusionTable: String { confusionText.text }

    var confusionText: TextTable {
        let numbers = labels.indices.map { (heading: "\($0 + 1)", alignment: TextTable.Alignment.right) }
        var table = TextTable([("", .right), ("true \\ predicted", .left)] + numbers)
        for (index, row) in confusion.enumerated() {
            table.append(["\(index + 1)", labels[index]] + row.map { $0 == 0 ? "·" : "\($0)" })
        }
        return table
    }
}

extension CrossValidationResult.Summary {
    /// What the metrics on held-out clips mean, as a sentence. `averaged`: accuracy of the averaged out-of-fold
    /// probabilities; with one repetition, of the single models. `interval`: 95 % interval of that accuracy.
    package func text(averaged: Double, interval: Statistics.Interval) -> String {
        let (mean, standardDeviation) = accuracy
        let spread = percent(mean) + (standardDeviation.map { " ± \(percent($0))" } ?? "")
        let range = "95 %: \(percent(interval.lower)) to \(percent(interval.upper))"
        let failed = diverged ?? 0
        let note = failed > 0 ? "; \(failed) of \(folds * repeats) models diverged after their best epoch" : ""
        guard repeats > 1 else {
            return
                "held-out accuracy \(percent(averaged)) (\(range)); mean and standard deviation over \(folds) folds: "
                + "\(spread)\(note)"
        }
        return
            "held-out accuracy of single models \(spread) (mean and standard deviation over \(folds) folds, \(repeats) "
            + "repeats); of the ensemble of \(repeats) repeats \(percent(averaged)) (\(range))\(note)"
    }
}

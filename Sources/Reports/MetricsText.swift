import SequenceModels

/// Metrics as the terminal shows them.
extension Metrics {
    /// Accuracy, top-k where there are more classes, and what depends on the probabilities.
    ///
    /// - `interval`: 95 %, of the accuracy.
    public func summary(top: [Int], scores: ScoreMetrics, interval: Statistics.Interval) -> String {
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

    /// Clips, correct ones and accuracy of each class, and what it is most often taken for.
    public var perClassTable: String {
        var table = TextTable([
            ("class", .left), ("clips", .right), ("correct", .right), ("accuracy", .right),
            ("most often taken for", .left),
        ])
        for (index, label) in labels.enumerated() {
            let (count, correct) = perClass(index)
            let mistakes = confusion[index].enumerated().filter { $0.offset != index && $0.element > 0 }
            let worst = mistakes.max { ($0.element, -$0.offset) < ($1.element, -$1.offset) }
            table.append([
                label, "\(count)", "\(correct)", count > 0 ? percent(Double(correct) / Double(count)) : "–",
                worst.map { "\(labels[$0.offset]) (\($0.element))" } ?? "",
            ])
        }
        return table.text
    }

    /// Rows are true classes, columns predicted ones, both numbered as the rows are.
    public var confusionTable: String { confusionText.text }

    var confusionText: TextTable {
        let numbers = labels.indices.map { (heading: "\($0 + 1)", alignment: TextTable.Alignment.right) }
        var table = TextTable([("", .right), ("true \\ predicted", .left)] + numbers)
        for (index, row) in confusion.enumerated() {
            table.append(["\(index + 1)", labels[index]] + row.map { $0 == 0 ? "·" : "\($0)" })
        }
        return table
    }
}

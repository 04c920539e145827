import Foundation
import SequenceModels

extension LabelMetrics {
    /// Mean average precision (`interval`: 95 %), and the other metrics of all labels together.
    package func summary(interval: Statistics.Interval) -> String {
        var table = TextTable([("measure", .left), ("value", .right)])
        table.append(["clips", grouped(count)])
        table.append(["loss", decimal(loss, 4)])
        table.append(["mean average precision", percent(meanAveragePrecision)])
        // Without a label, ranking metrics are 1 or 0 by definition, and say nothing.
        let hasLabels = positives.contains { $0 > 0 }
        table.append(["  95 % interval", hasLabels ? percent(interval) : "–"])
        table.append(["  micro", percent(microAveragePrecision)])
        table.append(["  weighted by clips", percent(weightedAveragePrecision)])
        for (name, decisions) in [("at the thresholds", atThresholds), ("at 0.5", atHalf)] {
            table.append([name, ""])
            table.append(["  macro F1", percent(decisions.macro.f1)])
            table.append(["  micro F1", percent(decisions.micro.f1)])
            table.append(["  all labels right", percent(decisions.subsetAccuracy)])
            table.append(["  Hamming loss", percent(decisions.hammingLoss)])
        }
        table.append(["coverage error", hasLabels ? decimal(coverageError, 3) : "–"])
        table.append(["label ranking average precision", hasLabels ? percent(rankingAveragePrecision) : "–"])
        table.append(["GAP@20", percent(globalAveragePrecision)])
        table.append(["Charades mAP", percent(charadesMeanAveragePrecision)])
        return table.text
    }

    /// Clips, average precision, and the decisions at the threshold of each label. `thresholds`: of the head's labels.
    package func perLabelTable(thresholds: [Double]) -> String { perLabel(thresholds: thresholds).text }

    func perLabel(thresholds: [Double]) -> TextTable {
        var table = TextTable([
            ("label", .left), ("clips", .right), ("average precision", .right), ("threshold", .right),
            ("predicted", .right), ("precision", .right), ("recall", .right), ("F1", .right),
        ])
        for (place, label) in labels.enumerated() {
            let (counts, rates) = (atThresholds.classes[place], atThresholds.classes[place].rates)
            table.append([
                label, "\(counts.positives)", averagePrecision[place].map(percent) ?? "–",
                thresholds.indices.contains(place) ? decimal(thresholds[place], 3) : "–", "\(counts.predicted)",
                percent(rates.precision), counts.positives > 0 ? percent(rates.recall) : "–", percent(rates.f1),
            ])
        }
        return table
    }
}

// The metrics as JSON.

extension LabelMetrics {
    private struct Document: Encodable {
        struct Label: Encodable {
            let label: String
            let clips: Int
            let averagePrecision, threshold: Double?
            let atThreshold, atHalf: Counts
        }
        struct Counts: Encodable {
            let predicted, truePositives: Int
            let precision, f1: Double
            /// Nil for a label without clips.
            let recall: Double?

            init(_ counts: LabelDecisions.Counts) {
                (predicted, truePositives) = (counts.predicted, counts.truePositives)
                (precision, f1) = (counts.rates.precision, counts.rates.f1)
                recall = counts.positives > 0 ? counts.rates.recall : nil
            }
        }
        struct Averages: Encodable {
            let macro, micro, weighted: Rates
            let subsetAccuracy, hammingLoss: Double

            init(_ decisions: LabelDecisions) {
                (macro, micro) = (Rates(decisions.macro), Rates(decisions.micro))
                weighted = Rates(decisions.weighted)
                (subsetAccuracy, hammingLoss) = (decisions.subsetAccuracy, decisions.hammingLoss)
            }
        }
        struct Rates: Encodable {
            let precision, recall, f1: Double
            init(_ rates: LabelDecisions.Rates) { (precision, recall, f1) = (rates.precision, rates.recall, rates.f1) }
        }
        /// Of the single models of a cross-validated run.
        struct FoldModels: Encodable {
            let folds, repeats: Int
            let meanAveragePrecision: Double
            let standardDeviation: Double?
            let diverged: Int
        }
        let run, split: String
        let task = "multilabel"
        let clips: Int
        let loss, meanAveragePrecision: Double
        let meanAveragePrecisionInterval: Statistics.Interval
        let microAveragePrecision, weightedAveragePrecision: Double
        let atThresholds, atHalf: Averages
        let coverageError, labelRankingAveragePrecision, globalAveragePrecisionAt20: Double
        let charadesMeanAveragePrecision: Double
        let labels: [Label]
        let unknownLabels: [String]?
        let foldModels: FoldModels?
        let notes: [String]
    }

    /// `thresholds`: of the head's labels. `interval`: 95 % interval of the mean average precision. `folds`: of a
    /// cross-validated run with evaluated held-out clips. `notes`: what the metrics omit.
    package func json(
        run: String, split: String, thresholds: [Double], interval: Statistics.Interval,
        folds: CrossValidationResult.Summary? = nil, notes: [String] = []
    ) throws -> String {
        let ofLabels = labels.indices.map { place -> Document.Label in
            Document.Label(
                label: labels[place], clips: positives[place], averagePrecision: averagePrecision[place],
                threshold: thresholds.indices.contains(place) ? thresholds[place] : nil,
                atThreshold: Document.Counts(atThresholds.classes[place]),
                atHalf: Document.Counts(atHalf.classes[place]))
        }
        let models = folds.map { folds in
            Document.FoldModels(
                folds: folds.folds, repeats: folds.repeats, meanAveragePrecision: folds.score.mean,
                standardDeviation: folds.score.standardDeviation, diverged: folds.diverged ?? 0)
        }
        let document = Document(
            run: run, split: split, clips: count, loss: loss, meanAveragePrecision: meanAveragePrecision,
            meanAveragePrecisionInterval: interval, microAveragePrecision: microAveragePrecision,
            weightedAveragePrecision: weightedAveragePrecision, atThresholds: Document.Averages(atThresholds),
            atHalf: Document.Averages(atHalf), coverageError: coverageError,
            labelRankingAveragePrecision: rankingAveragePrecision, globalAveragePrecisionAt20: globalAveragePrecision,
            charadesMeanAveragePrecision: charadesMeanAveragePrecision, labels: ofLabels,
            unknownLabels: unknownLabels.isEmpty ? nil : unknownLabels, foldModels: models, notes: notes)
        return try JSONText.of(document, keys: .convertToSnakeCase)
    }
}

import Datasets
import FeatureCache
import Foundation
import SequenceModels

extension Metrics {
    /// Accuracy (`interval`: 95 %), top-k accuracy if there are more classes, and metrics of the probabilities.
    package func summary(top: [Int], scores: ScoreMetrics, interval: Statistics.Interval) -> String {
        var table = TextTable([("measure", .left), ("value", .right)])
        table.append(["clips", grouped(count)])
        table.append([unknown.count > 0 ? "loss of known classes" : "loss", decimal(loss, 4)])
        table.append(["accuracy", percent(accuracy)])
        table.append(["  95 % interval", percent(interval)])
        for k in top where k > 1 && k < labels.count { table.append(["top-\(k)", percent(accuracy(top: k))]) }
        table.append(["balanced accuracy", percent(balancedAccuracy)])
        table.append(["macro F1", percent(macroF1)])
        table.append(["mean average precision", percent(scores.meanAveragePrecision)])
        table.append(["calibration error", percent(scores.calibrationError)])
        if let roc = scores.roc {
            table.append(["area under ROC", percent(roc.area)])
            table.append(["  best threshold of these clips for \(roc.positive)", percent(roc.threshold)])
            for (name, decisions) in [
                ("at 0.5", roc.atHalf), ("at the best threshold of these clips", roc.atThreshold),
            ] {
                table.append(["\(roc.positive) \(name)", ""])
                table.append(["  precision", percent(decisions.precision)])
                table.append(["  recall", percent(decisions.recall)])
                table.append(["  F1", percent(decisions.f1)])
                table.append(["  specificity", percent(decisions.specificity)])
            }
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
            table.append([label, "\(count)", "\(correct)"] + percentages(index) + [mostFrequentConfusion(index) ?? ""])
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
    /// What the metrics on held-out clips mean, as a sentence. `averaged`: accuracy, or mean average precision, of the
    /// averaged out-of-fold probabilities; with one repetition, of the single models. `interval`: its 95 % interval.
    package func text(averaged: Double, interval: Statistics.Interval) -> String {
        let (mean, standardDeviation) = score
        let name = averagePrecisions == nil ? "accuracy" : "mean average precision"
        let spread = percent(mean) + (standardDeviation.map { " ± \(percent($0))" } ?? "")
        let range = "95 %: \(percent(interval))"
        let failed = diverged ?? 0
        // A random order of few clips has a higher average precision than one of many.
        let bias = averagePrecisions == nil ? "" : "; over the few clips of a fold it is biased upwards"
        let note = failed > 0 ? "; \(failed) of \(folds * repeats) models diverged after their best epoch" : ""
        guard repeats > 1 else {
            return
                "held-out \(name) \(percent(averaged)) (\(range)); mean and standard deviation over \(folds) folds: "
                + "\(spread)\(bias)\(note)"
        }
        return
            "held-out \(name) of single models \(spread) (mean and standard deviation over \(folds) folds, \(repeats) "
            + "repeats\(bias)); of the ensemble of \(repeats) repeats \(percent(averaged)) (\(range))\(note)"
    }
}

extension ContinuousEvaluation {
    /// By the number of frames that belong to a window's first action.
    var table: TextTable {
        var table = TextTable([("frames", .right), ("windows", .right), ("right", .right)])
        for share in byFirstAction {
            table.append(["\(share.frames)", grouped(share.windows), percent(share.accuracy)])
        }
        return table
    }

    package var text: String {
        """
        Sliding windows of \(window) frames over concatenated clips of different classes:
          \(percent(accuracy)) of \(counted(windows, "window")) are classified as the action of most of their frames

        By the number of frames of the window's first action:
        \(table.text)
        """
    }

    private struct Document: Encodable {
        let role: String
        let evaluation: ContinuousEvaluation

        enum CodingKeys: String, CodingKey { case split }

        func encode(to encoder: any Encoder) throws {
            try evaluation.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(role, forKey: .split)
        }
    }

    /// As a JSON object. `role`: of the concatenated clips.
    package func json(role: String) throws -> String {
        try JSONText.of(Document(role: role, evaluation: self), keys: .convertToSnakeCase)
    }
}

extension Chart {
    /// Accuracy by frames of the first action, and predictions of the first sequences.
    static func continuous(_ evaluation: ContinuousEvaluation) -> [Chart] {
        let rows = evaluation.byFirstAction.map { [Double($0.frames), 100 * $0.accuracy] as [Double?] }
        let curve = Chart(
            name: "first-action", title: "Accuracy by the number of frames of the window's first action",
            script: data("shares", rows)
                + "set xlabel 'frames of the first action'\nset ylabel 'window accuracy, %'\nset yrange [0:100]\n"
                + "set xrange [0:\(evaluation.window + 1)]\nplot $shares using 1:2 with linespoints pointtype 7 "
                + "pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'")
        return [curve, strips(evaluation)]
    }

    /// Two rows for each sequence, ground truth above prediction.
    private static func strips(_ evaluation: ContinuousEvaluation) -> Chart {
        var bands: [Band] = [], names: [String] = []
        for (index, strip) in evaluation.strips.enumerated() {
            for (name, places) in [("true", strip.truth), ("predicted", strip.predicted)] {
                bands += Band.bands(places, row: names.count + index)
                names.append(name)
            }
        }
        let rows = names.indices.map { Double($0 + $0 / 2) }
        return Band.chart(
            bands, labels: evaluation.labels, rows: zip(names, rows).map { ($0, $1) }, name: "joined-clips",
            title: "True and predicted class per frame", axis: "frame",
            end: Double(evaluation.strips.map(\.truth.count).max() ?? 1))
    }
}

extension Timeline {
    /// Start, end, class and probability of each segment.
    package var segmentTable: String {
        var table = TextTable([
            ("start", .right), ("end", .right), (thresholds == nil ? "class" : "label", .left), ("probability", .right),
        ])
        for segment in segments {
            table.append([
                Self.clock(segment.start), Self.clock(segment.end), segment.label, percent(segment.probability),
            ])
        }
        return table.text
    }

    /// `1:02.35`, or `1:01:02.35`.
    static func clock(_ seconds: Double) -> String {
        guard let hundredths = Int(exactly: (seconds * 100).rounded()) else { return decimal(seconds, 2) }
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let tail = "\(padded(whole % 60)).\(padded(rest))"
        return whole < 3600 ? "\(whole / 60):\(tail)" : "\(whole / 3600):\(padded(whole / 60 % 60)):\(tail)"
    }

    /// One line per frame: video, time in seconds, most probable class, its probability, then the probability of every
    /// class. With several labels a clip: the text of their `LabelSet`, and the probability of every label.
    /// `includesHeader`: whether the first line is a header.
    package func csv(video: String, includesHeader: Bool) -> String {
        if thresholds != nil { return labelCSV(video: video, includesHeader: includesHeader) }
        let header = CSV.line(["video", "time", "label", "probability"] + labels)
        let predicted = predicted
        let lines = times.indices.map { frame in
            let own = probabilities[frame]
            return CSV.line(
                [video, decimal(times[frame], 3), labels[predicted[frame]]]
                    + ([own[predicted[frame]]] + own).map { decimal($0, 5) })
        }
        return (includesHeader ? header : "") + lines.joined()
    }

    private func labelCSV(video: String, includesHeader: Bool) -> String {
        let header = CSV.line(["video", "time", "labels"] + labels)
        let lines = times.indices.map { frame in
            CSV.line(
                [video, decimal(times[frame], 3), LabelSet.text(chosen(frame).map { labels[$0] })]
                    + probabilities[frame].map { decimal($0, 5) })
        }
        return (includesHeader ? header : "") + lines.joined()
    }

    /// The prediction at a time in seconds, for a caption: the class and its probability, or the labels with theirs.
    package func caption(at time: Double) -> (label: String, probability: Double, figure: String?) {
        let frame = frame(at: time)
        let chosen = chosen(frame).map { (label: labels[$0], probability: probabilities[frame][$0]) }
        return thresholds == nil
            ? (chosen.first?.label ?? "", chosen.first?.probability ?? .nan, nil) : Caption.labels(chosen)
    }

    /// Draws the classes over time to an SVG or PNG file, by its extension. Throws `GnuplotError`, `ReportError`.
    package func write(strip path: String) throws {
        let format: Gnuplot.Format = path.lowercased().hasSuffix(".svg") ? .svg : .png
        let data = try Gnuplot().draw([.timeline(self)], as: format)[0]
        try ReportError.writing(path) { try data.write(to: URL(fileURLWithPath: path), options: .atomic) }
    }
}

import Datasets
import FeatureCache
import SequenceModels

// The charts of one run. Fractions are drawn as percentages.

extension Chart {
    /// Loss, accuracy and learning rate by epoch; the selected epoch is marked.
    static func curves(
        _ epochs: [EpochRecord], best: Int, task: DatasetConfiguration.Task = .classification
    ) -> [Chart] {
        guard !epochs.isEmpty else { return [] }
        let rows = epochs.map { epoch -> [Double?] in
            [
                Double(epoch.epoch), epoch.trainLoss, epoch.validationLoss, 100 * epoch.trainAccuracy,
                epoch.validationAccuracy.map { 100 * $0 }, epoch.learningRate,
            ]
        }
        let data = data("epochs", rows)
        let hasLabels = task == .multilabel
        let hasValidation = epochs.contains { $0.validationLoss != nil }
        let mark =
            best > 0
            ? "set arrow 1 from first \(best), graph 0 to first \(best), graph 1 nohead \(Ink.dashed)\n"
            : ""
        let style = epochs.count == 1 ? "points pointtype 7" : "lines linewidth 2"
        let range =
            "set xlabel 'epoch'\n"
            + "set xrange [\(epochs.count == 1 ? "0:2" : "\(epochs[0].epoch):\(epochs.last?.epoch ?? 1)")]\n"
        func pair(_ train: Int, _ validation: Int) -> String {
            let first = "plot $epochs using 1:\(train) with \(style) linecolor rgb '\(Ink.blue)' title 'train'"
            return hasValidation
                ? first
                    + ", $epochs using 1:\(validation) with \(style) linecolor rgb '\(Ink.orange)' title 'validation'"
                : first
        }
        let kept = best > 0 ? ", best epoch \(best)" : ""
        return [
            Chart(
                name: "loss", title: "Loss" + kept,
                script: data + range + mark + "set ylabel 'cross-entropy'\nset yrange [0:*]\n" + pair(2, 3)),
            Chart(
                name: "accuracy", title: (hasLabels ? "Clips with all labels right" : "Accuracy") + kept,
                script: data + range + mark + "set ylabel '%'\nset yrange [0:100]\n" + pair(4, 5)),
            Chart(
                name: "learning-rate", title: "Learning rate", height: 220,
                script: data + range + mark + "set ylabel 'rate'\nset yrange [*<0:*]\nset format y '%g'\n"
                    + "plot $epochs using 1:6 with \(style == "lines linewidth 2" ? "steps linewidth 2" : style) "
                    + "linecolor rgb '\(Ink.violet)'"),
        ]
    }

    /// The ROC curve of two classes; the best threshold is marked.
    static func roc(_ roc: ScoreMetrics.ROC) -> Chart {
        let rows = roc.curve.map { [100 * $0.falsePositives, 100 * $0.truePositives] as [Double?] }
        return Chart(
            name: "roc", title: "ROC of \(Chart.short(roc.positive)), area \(percent(roc.area))",
            script: data("curve", rows) + data("best", [[100 * roc.falsePositives, 100 * roc.truePositives]])
                + "set xrange [0:100]\nset yrange [0:100]\nset xlabel 'false positive rate, %'\n"
                + "set ylabel 'true positive rate, %'\nset arrow 1 from 0,0 to 100,100 nohead \(Ink.dashed)\n"
                + "plot $curve using 1:2 with lines linewidth 2 linecolor rgb '\(Ink.blue)', "
                + "$best using 1:2 with points pointtype 7 linecolor rgb '\(Ink.orange)'")
    }

    /// The confusion matrix, as counts or normalised by true class; rows are true classes.
    static func confusion(_ metrics: Metrics, isNormalized: Bool) -> Chart {
        let (labels, count) = (metrics.labels.map { Chart.short($0) }, metrics.labels.count)
        let largest = Double(metrics.confusion.joined().max() ?? 1)
        var cells: [[Double?]] = []
        var texts = CellTexts()
        for (row, counts) in metrics.confusion.enumerated() {
            let total = Double(max(1, counts.reduce(0, +)))
            for (column, number) in counts.enumerated() {
                let share = Double(number) / (isNormalized ? total : max(1, largest))
                cells.append([Double(column), Double(row), 37, 99, 235, (255 * share.squareRoot()).rounded()])
                guard number > 0 else { continue }
                let text = isNormalized ? (100 * Double(number) / total).rounded() : Double(number)
                texts.append([Double(column), Double(row), text], isLight: share > 0.35)
            }
        }
        let cell = max(10, min(44, 760 / count))
        let letters = (labels.map(\.count).max() ?? 0) * 6 * min(12, max(8, cell)) / 11 + 40
        let font = count > 30 ? 9 : 12
        let plots =
            ["$cells using 1:2:3:4:5:6 with rgbalpha"] + (count <= 30 ? texts.plots("%d", " font ',\(font)'") : [])
        let script =
            data("cells", cells) + texts.data + "unset grid\nset border 15\nset xrange [-0.5:\(Double(count) - 0.5)]\n"
            + "set yrange [\(Double(count) - 0.5):-0.5]\nset xlabel 'predicted'\nset ylabel 'true'\nset size noratio\n"
            + tics("x", labels, "rotate by 90 right") + tics("y", labels) + "plot " + plots.joined(separator: ", ")
        return Chart(
            name: isNormalized ? "confusion-normalized" : "confusion",
            title: isNormalized ? "Confusion, % of each true class" : "Confusion, clips",
            width: count * cell + letters + 40, height: count * cell + letters + 20, fontSize: font, script: script)
    }

    /// Recall of each class; marked classes in red.
    static func classRecall(_ classes: [ClassFigures]) -> Chart {
        let rows = classes.enumerated().map { index, own -> [Double?] in
            [own.recall.map { 100 * $0 }, Double(index), own.isRare ? 1 : 0]
        }
        func bars(_ marked: Int, _ color: String, _ title: String) -> String {
            "$bars using (0):($3 == \(marked) ? $2 : NaN):(0):1:($2 - 0.38):($2 + 0.38) with boxxyerror "
                + "fillstyle solid 0.85 noborder linecolor rgb '\(color)' title \(quoted(title))"
        }
        let isMarked = classes.contains(where: \.isRare)
        let script =
            data("bars", rows) + list(classes.map(\.label)) + "set xrange [0:100]\nset xlabel 'recall, %'\nplot "
            + bars(0, Ink.blue, isMarked ? "other classes" : "")
            + (isMarked ? ", " + bars(1, Ink.red, "fewer than 90 % of the mean number of training clips") : "")
        return Chart(
            name: "classes", title: "Recall per class", width: 560, height: height(of: classes.count) + 24,
            fontSize: font(classes.count), script: script)
    }

    /// Recall of each class over its number of training clips.
    static func frequency(_ classes: [ClassFigures], mean: Double) -> Chart {
        let rows = classes.map { own -> [Double?] in
            [Double(own.trained), own.recall.map { 100 * $0 }, own.isRare ? 1 : 0]
        }
        let limit = 0.9 * mean
        let most = Double(classes.map(\.trained).max() ?? 1)
        let script =
            data("points", rows)
            + "set xlabel 'training clips of the class'\nset ylabel 'recall, %'\nset yrange [-3:103]\n"
            + "set xrange [0:\(most * 1.08 + 1)]\n"
            + "set arrow 1 from first \(limit), graph 0 to first \(limit), graph 1 nohead \(Ink.dashed)\nplot "
            + "$points using 1:($3 == 0 ? $2 : NaN) with points pointtype 7 pointsize 0.7 linecolor rgb '\(Ink.blue)', "
            + "$points using 1:($3 == 1 ? $2 : NaN) with points pointtype 7 pointsize 0.7 linecolor rgb '\(Ink.red)'"
        return Chart(
            name: "frequency", title: "Recall against class frequency; the line is 90 % of the mean", script: script)
    }

    static func distribution(_ classes: [ClassFigures], splits: [String]) -> Chart {
        let rows = classes.enumerated().map { index, own -> [Double?] in
            [Double(index)] + splits.map { Double(own.clips[$0] ?? 0) }
        }
        let plots = splits.indices.map { place in
            let before = (0..<place).map { " + $\($0 + 2)" }.joined()
            let start = "(0\(before))"
            let color = Ink.series[place % Ink.series.count]
            return "$bars using (0):1:\(start):(0\(before) + $\(place + 2)):($1 - 0.38):($1 + 0.38) with boxxyerror "
                + "fillstyle solid 0.85 noborder linecolor rgb '\(color)' title \(quoted(splits[place]))"
        }
        let script =
            data("bars", rows) + list(classes.map(\.label)) + "set xrange [0:*]\nset xlabel 'clips'\nplot "
            + plots.joined(separator: ", ")
        return Chart(
            name: "distribution", title: "Clips per class and split", width: 560,
            height: height(of: classes.count) + 24, fontSize: font(classes.count), script: script)
    }

    static func reliability(_ reliability: Reliability) -> Chart {
        let most = Double(reliability.bins.map(\.count).max() ?? 1)
        let rows = reliability.bins.map { bin -> [Double?] in
            [100 * bin.confidence, 100 * bin.accuracy, 100 * bin.lower, 100 * bin.upper, 25 * Double(bin.count) / most]
        }
        let script =
            data("bins", rows)
            + "set xrange [0:100]\nset yrange [0:100]\nset xlabel 'probability of the prediction, %'\n"
            + "set ylabel 'accuracy, %'\n"
            + "plot $bins using ($3 / 2 + $4 / 2):($5 / 2):3:4:(0):5 with boxxyerror fillstyle solid 0.35 noborder "
            + "linecolor rgb '\(Ink.gray)' title 'share of clips', x with lines \(Ink.dashed), "
            + "$bins using 1:2 with linespoints pointtype 7 pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'"
        return Chart(name: "calibration", title: "Calibration", script: script)
    }

    static func topAccuracy(_ metrics: Metrics) -> Chart {
        let rows = (1...min(10, metrics.labels.count)).map {
            [Double($0), 100 * metrics.accuracy(top: $0)] as [Double?]
        }
        let script =
            data("top", rows)
            + "set xlabel 'k'\nset ylabel '%'\nset yrange [0:100]\nset xrange [0.4:\(Double(rows.count) + 0.6)]\n"
            + "set xtics 1\nset boxwidth 0.7\n"
            + "plot $top using 1:2 with boxes fillstyle solid 0.85 noborder linecolor rgb '\(Ink.blue)'"
        return Chart(name: "top-k", title: "Top-k accuracy", height: 220, script: script)
    }

    /// A vertical axis of names, the first at the top.
    static func list(_ labels: [String]) -> String {
        "set yrange [\(Double(labels.count) - 0.4):-0.6]\nset grid noytics\nset border 1\n" + tics("y", labels)
    }

    static func height(of rows: Int) -> Int { rows * (rows > 30 ? 13 : 20) + 84 }
    static func font(_ rows: Int) -> Int { rows > 30 ? 10 : 12 }
}

/// Numbers in the cells of a matrix, light ones on dark cells.
struct CellTexts {
    private var dark: [[Double?]] = [], light: [[Double?]] = []
    private var blocks: [(name: String, rows: [[Double?]], color: String)] {
        [("dark", dark, "black"), ("light", light, "#ffffff")].filter { !$0.1.isEmpty }
    }

    mutating func append(_ text: [Double?], isLight: Bool) {
        if isLight { light.append(text) } else { dark.append(text) }
    }

    var data: String { blocks.map { Chart.data($0.name, $0.rows) }.joined() }

    func plots(_ format: String, _ options: String = "") -> [String] {
        blocks.map {
            "$\($0.name) using 1:2:(sprintf('\(format)', $3)) with labels textcolor rgb '\($0.color)'" + options
        }
    }
}

struct ClassFigures {
    let label: String
    /// Clips by split, as used by the run.
    let clips: [String: Int]
    /// Recall on the evaluated clips; nil if there are none.
    let recall: Double?
    /// Whether it has fewer than 90 % of the mean class's training clips.
    let isRare: Bool

    var trained: Int { clips["train"] ?? 0 }

    /// - `clips`: by class, then split.
    static func all(_ metrics: Metrics, clips: [String: [String: Int]]) -> (classes: [ClassFigures], mean: Double) {
        let counts = metrics.labels.map { clips[$0]?["train"] ?? 0 }
        let mean = Double(counts.reduce(0, +)) / Double(max(1, counts.count))
        let classes = metrics.labels.enumerated().map { index, label in
            ClassFigures(
                label: label, clips: clips[label] ?? [:], recall: metrics.recall(index),
                isRare: Double(counts[index]) < 0.9 * mean)
        }
        return (classes, mean)
    }
}

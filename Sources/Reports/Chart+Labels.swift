import FeatureCache
import Foundation
import SequenceModels

// The charts of a run with several labels a clip.

extension Chart {
    /// Mean average precision on the validation clips by epoch; nil without them.
    static func meanAveragePrecision(_ epochs: [EpochRecord], best: Int) -> Chart? {
        let rows = epochs.compactMap { epoch in
            epoch.validationMAP.map { [Double(epoch.epoch), 100 * $0] as [Double?] }
        }
        guard let first = rows.first?[0], let last = rows.last?[0] else { return nil }
        let mark =
            best > 0 ? "set arrow 1 from first \(best), graph 0 to first \(best), graph 1 nohead \(Ink.dashed)\n" : ""
        let style = rows.count == 1 ? "points pointtype 7" : "lines linewidth 2"
        return Chart(
            name: "map", title: "Mean average precision, validation" + (best > 0 ? ", best epoch \(best)" : ""),
            script: data("epochs", rows) + "set xlabel 'epoch'\n"
                + "set xrange [\(rows.count == 1 ? "0:2" : "\(first):\(last)")]\n" + mark
                + "set ylabel '%'\nset yrange [0:100]\n"
                + "plot $epochs using 1:2 with \(style) linecolor rgb '\(Ink.orange)'")
    }

    /// Average precision of each label, which is `recall` of the figures.
    static func averagePrecisions(_ labels: [ClassFigures]) -> Chart {
        let rows = labels.enumerated().map { place, own in [own.recall.map { 100 * $0 }, Double(place)] as [Double?] }
        return Chart(
            name: "average-precision", title: "Average precision per label", width: 560,
            height: height(of: labels.count) + 24, fontSize: font(labels.count),
            script: data("bars", rows) + list(labels.map(\.label))
                + "set xrange [0:100]\nset xlabel 'average precision, %'\nplot $bars using "
                + "(0):2:(0):1:($2 - 0.38):($2 + 0.38) with boxxyerror fillstyle solid 0.85 noborder "
                + "linecolor rgb '\(Ink.blue)'")
    }

    /// Precision–recall curves, six labels a chart, the most frequent first.
    static func precisionRecall(_ scores: LabelScores, _ metrics: LabelMetrics) -> [Chart] {
        let (perChart, most) = (6, 24)
        let ranked = (0..<metrics.knownClasses).filter { metrics.positives[$0] > 0 }
            .sorted { (-metrics.positives[$0], $0) < (-metrics.positives[$1], $1) }.prefix(most)
        return stride(from: 0, to: ranked.count, by: perChart).map { first in
            let own = ranked.dropFirst(first).prefix(perChart)
            let blocks = own.enumerated().map { place, label in
                data("curve\(place)", points(scores.precisionRecallCurve(label)))
            }
            let plots = own.enumerated().map { place, label in
                "$curve\(place) using 1:2 with lines linewidth 2 linecolor rgb "
                    + "'\(Ink.series[place % Ink.series.count])' title \(quoted(short(metrics.labels[label])))"
            }
            let number = first / perChart + 1
            return Chart(
                name: "precision-recall-\(number)",
                title: "Precision and recall"
                    + (ranked.count > perChart ? ", labels \(first + 1) to \(first + own.count)" : ""),
                script: blocks.joined()
                    + "set xrange [0:100]\nset yrange [0:100]\nset xlabel 'recall, %'\nset ylabel 'precision, %'\n"
                    + "plot " + plots.joined(separator: ", "))
        }
    }

    /// At most about 300 points, and the ends.
    private static func points(_ curve: [LabelScores.CurvePoint]) -> [[Double?]] {
        let step = max(1, curve.count / 300)
        return curve.indices.filter { $0 % step == 0 || $0 == curve.count - 1 }
            .map { [100 * curve[$0].recall, 100 * curve[$0].precision] }
    }

    /// The share of a label's clips that also have another label; rows are the labels.
    static func together(_ pairs: LabelPairs) -> Chart {
        let (labels, count) = (pairs.labels.map { Chart.short($0) }, max(1, pairs.labels.count))
        var cells: [[Double?]] = []
        var texts = CellTexts()
        for (row, counts) in pairs.counts.enumerated() {
            for (column, number) in counts.enumerated() {
                // The diagonal stays empty, but gnuplot needs every cell.
                let share = row == column ? 0 : Double(number) / Double(max(1, counts[row]))
                cells.append([Double(column), Double(row), 37, 99, 235, (255 * share.squareRoot()).rounded()])
                if row != column, number > 0 {
                    texts.append([Double(column), Double(row), (100 * share).rounded()], isLight: share > 0.35)
                }
            }
        }
        let cell = max(14, min(44, 760 / count))
        let letters = (labels.map(\.count).max() ?? 0) * 6 * min(12, max(8, cell)) / 11 + 40
        let font = count > 30 ? 9 : 12
        let plots =
            ["$cells using 1:2:3:4:5:6 with rgbalpha"] + (count <= 30 ? texts.plots("%d", " font ',\(font)'") : [])
        return Chart(
            name: "together", title: "Clips of the row's label that also have the column's, %",
            width: max(260, count * cell + letters + 40), height: max(200, count * cell + letters + 20), fontSize: font,
            script: data("cells", cells) + texts.data + "unset grid\nset border 15\n"
                + "set xrange [-0.5:\(Double(count) - 0.5)]\nset yrange [\(Double(count) - 0.5):-0.5]\n"
                + tics("x", labels, "rotate by 90 right") + tics("y", labels)
                + (cells.isEmpty ? "plot NaN" : "plot " + plots.joined(separator: ", ")))
    }
}

import Foundation
import SequenceModels

/// A learning curve (accuracy over training set size) as text, page and chart.
package struct LearningCurveReport: Report {
    package struct Point: Sendable, Encodable {
        /// Number of training clips, mean over the models.
        package let clips: Double
        /// As a fraction of all clips available for training.
        let share: Double
        /// On the held-out clips; nil if a model diverged.
        package let accuracy: Double?
        /// 95 % interval of the accuracy, clustered by source.
        package let interval: Statistics.Interval?
        /// Sample standard deviation of the single models' accuracies.
        let deviation: Double?
        /// Number of models whose loss or scores became infinite or NaN.
        package let diverged: Int

        /// Accuracy, interval and deviation are nil if a model diverged.
        package init(
            clips: Double, share: Double, accuracy: Double? = nil, interval: Statistics.Interval? = nil,
            deviation: Double? = nil, diverged: Int
        ) {
            (self.clips, self.share, self.accuracy, self.interval) = (clips, share, accuracy, interval)
            (self.deviation, self.diverged) = (deviation, diverged)
        }
    }

    package let charts: [Chart]
    private let name: String
    private let points: [Point]

    /// - `points`: ascending number of clips.
    package init(name: String, points: [Point]) {
        (self.name, self.points) = (name, points)
        charts = [.learningCurve(points)]
    }

    package var text: String { table.text }

    private var table: TextTable {
        var table = TextTable([
            ("training clips", .right), ("accuracy", .right), ("95 % interval", .left), ("folds", .right),
        ])
        for point in points {
            table.append([
                grouped(Int(point.clips.rounded())),
                point.accuracy.map { percent($0) + (point.diverged > 0 ? " (\(point.diverged) diverged)" : "") }
                    ?? "diverged", point.interval.map(percent) ?? "–",
                point.deviation.map { "± " + percent($0) } ?? "–",
            ])
        }
        return table
    }

    /// The gain from the last doubling of the training set.
    package var gain: String? {
        guard points.count > 1, let before = points[points.count - 2].accuracy, let last = points.last?.accuracy else {
            return nil
        }
        return "The last doubling of the training clips changed the accuracy by \(percent(last - before))."
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: name, subtitle: "accuracy against the number of training clips")
        page.sections = [
            Page.Section(
                id: "learning-curve", heading: "Learning curve", text: gain,
                figures: figures(charts.map(\.name), drawn: drawn), tables: [Page.Table(table, caption: "Sizes")])
        ]
        return try page.html()
    }
}

extension Chart {
    /// Accuracy with its interval over the number of clips, on a logarithmic axis.
    static func learningCurve(_ points: [LearningCurveReport.Point]) -> Chart {
        let rows = points.compactMap { point -> [Double?]? in
            guard let accuracy = point.accuracy, let interval = point.interval else { return nil }
            return [point.clips, 100 * accuracy, 100 * interval.lower, 100 * interval.upper]
        }
        let tics = points.map { ("\(Int($0.clips.rounded()))", $0.clips) }
        let (first, last) = (points.first?.clips ?? 1, points.last?.clips ?? 2)
        return Chart(
            name: "learning-curve", title: "Accuracy by training clips, with 95 % intervals", width: 560, height: 340,
            script: data("sizes", rows) + "set logscale x 2\nset xrange [\(first / 1.2):\(last * 1.2)]\n"
                + Chart.tics("x", tics) + "set xlabel 'training clips'\nset ylabel 'held-out accuracy, %'\n"
                + "set yrange [0:100]\nplot $sizes using 1:3:4 with filledcurves linecolor rgb '\(Ink.blue)' "
                + "fillstyle transparent solid 0.15 noborder, $sizes using 1:2 with linespoints pointtype 7 "
                + "pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'")
    }
}

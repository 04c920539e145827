import Datasets
import Foundation
import SequenceModels

/// A learning curve (accuracy, or mean average precision, over training set size) as text, page and chart.
package struct LearningCurveReport: Report {
    package struct Point: Sendable {
        /// Number of training clips, mean over the models.
        package let clips: Double
        /// As a fraction of all clips available for training.
        let share: Double
        /// Accuracy, or mean average precision of several labels a clip, on held-out clips; nil if a model diverged.
        package let score: Double?
        /// 95 % interval of the score, clustered by source.
        package let interval: Statistics.Interval?
        /// Sample standard deviation of the single models' scores.
        let deviation: Double?
        /// Number of models whose loss or scores became infinite or NaN.
        package let diverged: Int

        /// Score, interval and deviation are nil if a model diverged.
        package init(
            clips: Double, share: Double, score: Double? = nil, interval: Statistics.Interval? = nil,
            deviation: Double? = nil, diverged: Int
        ) {
            (self.clips, self.share, self.score, self.interval) = (clips, share, score, interval)
            (self.deviation, self.diverged) = (deviation, diverged)
        }
    }

    /// A point as JSON, with the score under its own name.
    private struct Document: Encodable {
        let clips, share: Double
        var accuracy: Double?
        var meanAveragePrecision: Double?
        let interval: Statistics.Interval?
        let deviation: Double?
        let diverged: Int

        enum CodingKeys: String, CodingKey {
            case clips, share, accuracy, interval, deviation, diverged
            case meanAveragePrecision = "mean_average_precision"
        }
    }

    package let charts: [Chart]
    private let name: String
    private let points: [Point]
    private let task: DatasetConfiguration.Task

    /// - `points`: ascending number of clips.
    package init(name: String, points: [Point], task: DatasetConfiguration.Task = .classification) {
        (self.name, self.points, self.task) = (name, points, task)
        charts = [.learningCurve(points, task)]
    }

    package func json() throws -> String {
        try JSONText.of(
            points.map { point in
                var document = Document(
                    clips: point.clips, share: point.share, interval: point.interval, deviation: point.deviation,
                    diverged: point.diverged)
                if task == .multilabel {
                    document.meanAveragePrecision = point.score
                } else {
                    document.accuracy = point.score
                }
                return document
            })
    }

    package var text: String { table.text }

    private var table: TextTable {
        var table = TextTable([
            ("training clips", .right), (task.scoreName, .right), ("95 % interval", .left), ("folds", .right),
        ])
        for point in points {
            table.append([
                grouped(Int(point.clips.rounded())),
                point.score.map { percent($0) + (point.diverged > 0 ? " (\(point.diverged) diverged)" : "") }
                    ?? "diverged", point.interval.map(percent) ?? "–",
                point.deviation.map { "± " + percent($0) } ?? "–",
            ])
        }
        return table
    }

    /// The gain from the last doubling of the training set.
    package var gain: String? {
        guard points.count > 1, let before = points[points.count - 2].score, let last = points.last?.score else {
            return nil
        }
        return "The last doubling of the training clips changed the \(task.scoreName) by \(percent(last - before))."
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: name, subtitle: "\(task.scoreName) against the number of training clips")
        page.sections = [
            Page.Section(
                id: "learning-curve", heading: "Learning curve", text: gain,
                figures: figures(charts.map(\.name), drawn: drawn), tables: [Page.Table(table, caption: "Sizes")])
        ]
        return try page.html()
    }
}

extension Chart {
    /// The score with its interval over the number of clips, on a logarithmic axis.
    static func learningCurve(_ points: [LearningCurveReport.Point], _ task: DatasetConfiguration.Task) -> Chart {
        let rows = points.compactMap { point -> [Double?]? in
            guard let accuracy = point.score, let interval = point.interval else { return nil }
            return [point.clips, 100 * accuracy, 100 * interval.lower, 100 * interval.upper]
        }
        let tics = points.map { ("\(Int($0.clips.rounded()))", $0.clips) }
        let (first, last) = (points.first?.clips ?? 1, points.last?.clips ?? 2)
        return Chart(
            name: "learning-curve",
            title:
                "\(task == .multilabel ? "Mean average precision" : "Accuracy") by training clips, with 95 % intervals",
            width: 560, height: 340,
            script: data("sizes", rows) + "set logscale x 2\nset xrange [\(first / 1.2):\(last * 1.2)]\n"
                + Chart.tics("x", tics) + "set xlabel 'training clips'\nset ylabel 'held-out \(task.scoreName), %'\n"
                + "set yrange [0:100]\nplot $sizes using 1:3:4 with filledcurves linecolor rgb '\(Ink.blue)' "
                + "fillstyle transparent solid 0.15 noborder, $sizes using 1:2 with linespoints pointtype 7 "
                + "pointsize 0.6 linewidth 2 linecolor rgb '\(Ink.blue)'")
    }
}

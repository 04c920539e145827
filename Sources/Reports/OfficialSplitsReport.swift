import Foundation
import SequenceModels

/// The usual metric of a data set with official splits: the accuracy on each test split, and their mean.
package struct OfficialSplitsReport: Report {
    package struct Part: Sendable {
        /// From 1.
        package let split: Int
        package let clips: Int
        package let accuracy, top5: Double
        /// 95 % interval of the accuracy.
        package let interval: Statistics.Interval
        package let run: String

        package init(
            split: Int, clips: Int, accuracy: Double, top5: Double, interval: Statistics.Interval, run: String
        ) {
            (self.split, self.clips, self.accuracy, self.top5) = (split, clips, accuracy, top5)
            (self.interval, self.run) = (interval, run)
        }
    }

    package let charts: [Chart] = []
    private let name: String
    private let parts: [Part]

    /// - `parts`: at least one.
    package init(name: String, parts: [Part]) { (self.name, self.parts) = (name, parts) }

    package var text: String { table.text }

    private var table: TextTable {
        var table = TextTable([
            ("split", .left), ("clips", .right), ("accuracy", .right), ("95 % interval", .left), ("top-5", .right),
        ])
        for part in parts {
            table.append([
                "\(part.split)", grouped(part.clips), percent(part.accuracy),
                percent(part.interval), percent(part.top5),
            ])
        }
        let (mean, standardDeviation) = Statistics.meanAndStandardDeviation(parts.map(\.accuracy))
        table.append([
            "mean", "", percent(mean), standardDeviation.map { "± " + percent($0) } ?? "",
            percent(Statistics.meanAndStandardDeviation(parts.map(\.top5)).mean),
        ])
        return table
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: name, subtitle: "test accuracy on each official split, and their mean")
        page.tiles = [
            Page.Tile(
                name: "mean accuracy", value: percent(Statistics.meanAndStandardDeviation(parts.map(\.accuracy)).mean))
        ]
        page.sections = [
            Page.Section(
                id: "splits", heading: "Official splits",
                text: "Runs: " + parts.map(\.run).joined(separator: ", ") + ".", tables: [Page.Table(table)])
        ]
        return try page.html()
    }
}

import Escaping
import Foundation
import SequenceModels

/// A hyperparameter sweep: heat maps over the varied keys, a table of all points, and a comparison of its runs.
package struct SweepReport: Report {
    package struct Point: Sendable, Encodable {
        /// Name of the run and its folder.
        package let name: String
        /// One for each key of the sweep.
        package let values: [String]
        /// Epoch of the selected weights.
        package let bestEpoch: Int
        package let epochs: Int
        /// With the selected weights; nil without validation or test clips, or if training failed.
        package let validationLoss, validationAccuracy, testAccuracy: Double?
        /// Mean average precision; nil for one class a clip.
        package let validationMAP, testMAP: Double?
        package let failure: String?
        /// Whether the loss or a score became infinite or NaN: such a point is ranked last and never selected.
        package let diverged: Bool
        /// A reason to doubt its metrics, or nil.
        package let warning: String?

        package init(
            name: String, values: [String], bestEpoch: Int = 0, epochs: Int = 0, validationLoss: Double? = nil,
            validationAccuracy: Double? = nil, testAccuracy: Double? = nil, validationMAP: Double? = nil,
            testMAP: Double? = nil, failure: String? = nil, diverged: Bool = false, warning: String? = nil
        ) {
            (self.name, self.values, self.bestEpoch, self.epochs) = (name, values, bestEpoch, epochs)
            (self.validationLoss, self.validationAccuracy) = (validationLoss, validationAccuracy)
            (self.testAccuracy, self.failure) = (testAccuracy, failure)
            (self.validationMAP, self.testMAP) = (validationMAP, testMAP)
            (self.diverged, self.warning) = (diverged, warning)
        }

        /// What points are ranked by: the accuracy, or the mean average precision.
        package var validationScore: Double? { validationMAP ?? validationAccuracy }
        package var testScore: Double? { testMAP ?? testAccuracy }

        enum CodingKeys: String, CodingKey {
            case name, values, bestEpoch, epochs, validationLoss, validationAccuracy, testAccuracy, failure, diverged
            case warning, validationMAP = "validationMap", testMAP = "testMap"
        }
    }

    package let charts: [Chart]
    private let name: String
    private let keys: [String]
    private let points: [Point]
    private let best: String?
    private let comparison: ComparisonReport?
    private let maps: [Chart]

    /// `keys`: as in the pipeline. `best`: selected on validation. `comparison`: of its runs, if not too many.
    package init(name: String, keys: [String], points: [Point], best: String?, comparison: ComparisonReport?) {
        (self.name, self.keys, self.points) = (name, keys, points)
        (self.best, self.comparison) = (best, comparison)
        maps = HeatMap.charts(keys: keys, points: points.filter { !$0.diverged })
        charts = maps + (comparison?.charts ?? [])
    }

    private var scoreName: String {
        points.contains { $0.testMAP != nil } ? "mean average precision" : "accuracy"
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: name, subtitle: "\(counted(points.count, "run")) over \(keys.joined(separator: ", "))")
        if let best, let point = points.first(where: { $0.name == best }) {
            page.tiles = [
                Page.Tile(name: "best on validation", value: point.validationScore.map(percent) ?? "–", detail: best)
            ]
            if let test = point.testScore {
                page.tiles.append(Page.Tile(name: "its test \(scoreName)", value: percent(test)))
            }
        } else {
            page.notes.append(
                points.contains { !$0.diverged }
                    ? "No run is selected: no run has a validation part." : "No run is selected: all runs diverged.")
        }
        var table = TextTable(
            [("run", .left)] + keys.map { ($0.splitBytes(".").last.map(String.init) ?? $0, .left) } + [
                ("validation", .right), ("test", .right),
            ])
        func rank(_ point: Point) -> Double { point.diverged ? -2 : point.validationScore ?? -1 }
        for point in points.sorted(by: { rank($0) > rank($1) }) {
            table.append(
                [point.name + (point.diverged ? " (diverged)" : "")] + point.values + [
                    point.validationScore.map(percent) ?? "–", point.testScore.map(percent) ?? "–",
                ])
        }
        page.sections = [
            Page.Section(
                id: "sweep", heading: "Sweep",
                text: "Mean over seeds; each panel has fixed values of the keys that are not on its axes.",
                figures: figures(maps.map(\.name), drawn: drawn), tables: [Page.Table(table, caption: "All runs")])
        ]
        page.sections += comparison?.sections(drawn, from: self) ?? []
        page.footer = "Zoetrope"
        return try page.html()
    }
}

enum HeatMap {
    /// Maximum number of panels of one metric.
    private static let most = 12

    /// One chart per metric and combination of the keys beyond two; seeds are averaged.
    static func charts(keys: [String], points: [SweepReport.Point]) -> [Chart] {
        let varying = keys.indices.filter { key in
            !keys[key].hasByteSuffix(".seed") && Set(points.map { $0.values[key] }).count > 1
        }
        let ranked = varying.sorted { count($0, points) > count($1, points) }
        guard let x = ranked.first else { return [] }
        let y = ranked.count > 1 ? ranked[1] : nil
        let others = ranked.dropFirst(2).sorted()
        var panels: [[String]] = []
        for point in points {
            let own = others.map { point.values[$0] }
            if !panels.contains(own) { panels.append(own) }
        }
        let metric = points.contains { $0.validationMAP != nil || $0.testMAP != nil } ? "mAP" : "accuracy"
        return [("validation", \SweepReport.Point.validationScore), ("test", \.testScore)].flatMap {
            name, measure in
            guard points.contains(where: { $0[keyPath: measure] != nil }) else { return [Chart]() }
            return panels.prefix(most).enumerated().map { index, panel in
                let own = points.filter { point in others.map { point.values[$0] } == panel }
                let fixed = zip(others, panel).map { "\(short(keys[$0])) \($1)" }.joined(separator: ", ")
                return chart(
                    own, x: (x, keys[x]), y: y.map { ($0, keys[$0]) }, measure, name: "sweep-\(name)-\(index + 1)",
                    title: "\(name.prefix(1).uppercased() + name.dropFirst()) \(metric), %"
                        + (fixed.isEmpty ? "" : "; \(fixed)"), range: range(points, measure))
            }
        }
    }

    private static func count(_ key: Int, _ points: [SweepReport.Point]) -> Int {
        Set(points.map { $0.values[key] }).count
    }
    private static func short(_ key: String) -> String { key.splitBytes(".").last.map(String.init) ?? key }

    /// In numeric order, if they are numbers.
    private static func values(_ key: Int, _ points: [SweepReport.Point]) -> [String] {
        var seen: [String] = []
        for point in points where !seen.contains(point.values[key]) { seen.append(point.values[key]) }
        return seen.allSatisfy { Double($0) != nil } ? seen.sorted { Double($0) ?? 0 < Double($1) ?? 0 } : seen
    }

    private static func range(_ points: [SweepReport.Point], _ measure: KeyPath<SweepReport.Point, Double?>) -> (
        Double, Double
    ) {
        let all = points.compactMap { $0[keyPath: measure] }
        return (all.min() ?? 0, all.max() ?? 1)
    }

    private static func chart(
        _ points: [SweepReport.Point], x: (index: Int, name: String), y: (index: Int, name: String)?,
        _ measure: KeyPath<SweepReport.Point, Double?>, name: String, title: String, range: (low: Double, high: Double)
    ) -> Chart {
        let (columns, rows) = (values(x.index, points), y.map { values($0.index, points) } ?? [""])
        var cells: [[Double?]] = []
        var texts = CellTexts()
        for (row, rowValue) in rows.enumerated() {
            for (column, columnValue) in columns.enumerated() {
                let own = points.filter { point in
                    point.values[x.index] == columnValue && (y.map { point.values[$0.index] == rowValue } ?? true)
                }.compactMap { $0[keyPath: measure] }
                guard !own.isEmpty else { continue }
                let mean = own.reduce(0, +) / Double(own.count)
                let share = range.high > range.low ? (mean - range.low) / (range.high - range.low) : 1
                cells.append([Double(column), Double(row), share])
                texts.append([Double(column), Double(row), Double(decimal(100 * mean, 1))], isLight: share > 0.55)
            }
        }
        // Boxes instead of an image, because cells may be missing.
        let plots = cells.indices.map { index in
            let opacity = 0.06 + 0.9 * (cells[index][2] ?? 0)
            return "$cell\(index) using 1:2:($1 - 0.49):($1 + 0.49):($2 - 0.48):($2 + 0.48) with boxxyerror "
                + "fillstyle solid \(opacity) noborder linecolor rgb '#2563eb'"
        }
        let data = cells.enumerated().map { Chart.data("cell\($0)", [$1]) }.joined()
        let longest = rows.map(\.count).max() ?? 0
        return Chart(
            name: name, title: title, width: max(300, min(1100, columns.count * 84)) + 60 + min(26, longest) * 7,
            height: rows.count * 36 + 170,
            script: data + texts.data + "unset grid\nset border 0\nset xrange [-0.5:\(Double(columns.count) - 0.5)]\n"
                + "set yrange [\(Double(rows.count) - 0.5):-0.5]\nset xlabel \(Chart.quoted(short(x.name)))\n"
                + (y.map { "set ylabel \(Chart.quoted(short($0.name)))\n" } ?? "")
                + Chart.tics("x", columns, "rotate by 20 right") + Chart.tics("y", rows) + "plot "
                + (plots + texts.plots("%.1f")).joined(separator: ", "))
    }
}

import FeatureCache
import Foundation
import SequenceModels

/// A comparison of runs: learning curves, accuracies with intervals, and gains by class.
package struct ComparisonReport: Report {
    package let comparison: Comparison
    package let charts: [Chart]

    /// Maximum number of runs in the learning curves.
    private static let overlaid = 16

    package init(_ directories: [RunDirectory], role: ClipRole? = nil, cache path: String? = nil) throws {
        let comparison = try Comparison(directories, role: role, cache: path)
        let configurations = try directories.prefix(Self.overlaid).map { try $0.load().configuration }
        let cache = try CacheFile(path: path ?? configurations[0].cache, create: false)
        let curves = try configurations.map { configuration in
            (configuration.name, try cache.run(named: configuration.name).map(cache.epochs) ?? [])
        }
        self.comparison = comparison
        charts = Chart.overlaid(curves) + [.accuracies(comparison)] + (Chart.gains(comparison).map { [$0] } ?? [])
    }

    package func html(drawn: [Data]) throws -> String {
        let names: [String] = comparison.entries.map(\.run.name)
        let title: String = names.count > 4 ? "\(names.count) runs" : names.joined(separator: ", ")
        var page = Page(
            title: title, subtitle: "Compared on the same \(grouped(comparison.clips)) \(comparison.roleText) clips")
        page.notes = comparison.notes
        if comparison.leftOut > 0 {
            page.notes.append(
                "\(grouped(comparison.leftOut)) clips that are missing or labelled differently in some runs are left "
                    + "out.")
        }
        page.sections = sections(drawn)
        page.footer = "Zoetrope"
        return try page.html()
    }

    /// The sections of the page, also for reports that include a comparison.
    func sections(_ drawn: [Data], from report: (any Report)? = nil) -> [Page.Section] {
        func figures(_ names: [String]) -> [Page.Figure] { (report ?? self).figures(names, drawn: drawn) }
        let hasLabels = comparison.task == .multilabel
        var sections = [
            Page.Section(
                id: "accuracy", heading: hasLabels ? "Mean average precision" : "Accuracy",
                text: hasLabels
                    ? "95 % intervals by bootstrap over sources."
                    : "95 % Wilson intervals with the effective sample size: clips of one source count together.",
                figures: figures(["accuracies"]), tables: [Page.Table(comparison.entryTable)]),
            Page.Section(id: "curves", heading: "Training", figures: figures(["curves-loss", "curves-accuracy"])),
        ]
        if !comparison.families.isEmpty {
            sections[0].tables.append(Page.Table(comparison.familyTable, caption: "Over seeds"))
        }
        if !comparison.pairs.isEmpty {
            sections.append(
                Page.Section(
                    id: "gains", heading: "Gains", text: "p values are of \(comparison.testName).",
                    tables: [Page.Table(comparison.pairTable)]))
        }
        if let table = comparison.gainTable, comparison.entries.count > 1 {
            sections.append(
                Page.Section(
                    id: "classes", heading: comparison.gainCaption, figures: figures(["class-gains"]),
                    tables: [Page.Table(table)]))
        }
        return drawn.isEmpty ? sections.filter { $0.id != "curves" } : sections
    }
}

extension Chart {
    /// Loss and accuracy of several runs by epoch: on validation if all runs have it, otherwise on training. With
    /// several labels a clip, the mean average precision on validation instead of the accuracy.
    static func overlaid(_ runs: [(name: String, epochs: [EpochRecord])]) -> [Chart] {
        let drawn = runs.filter { !$0.epochs.isEmpty }
        guard !drawn.isEmpty else { return [] }
        let isValidated = drawn.allSatisfy { $0.epochs.allSatisfy { $0.validationLoss != nil } }
        let part = isValidated ? "validation" : "train"
        let hasLabels = isValidated && drawn.allSatisfy { $0.epochs.contains { $0.validationMAP != nil } }
        let rows = drawn.enumerated().map { index, run in
            data(
                "run\(index)",
                run.epochs.map { epoch -> [Double?] in
                    [
                        Double(epoch.epoch), isValidated ? epoch.validationLoss : epoch.trainLoss,
                        (hasLabels
                            ? epoch.validationMAP : isValidated ? epoch.validationAccuracy : epoch.trainAccuracy)
                            .map { 100 * $0 },
                    ]
                })
        }
        func chart(_ name: String, _ title: String, column: Int, _ settings: String) -> Chart {
            let plots = drawn.enumerated().map { index, run in
                "$run\(index) using 1:\(column) with lines linewidth 1.6 dashtype \(index / Ink.series.count + 1) "
                    + "linecolor rgb '\(Ink.series[index % Ink.series.count])' title \(quoted(short(run.name)))"
            }
            let lines = (drawn.count + 1) / 2
            return Chart(
                name: name, title: title, width: 560, height: 320 + 17 * lines,
                script: rows.joined()
                    + "set xlabel 'epoch'\nset key above horizontal left maxcols 2\n\(settings)\nplot "
                    + plots.joined(separator: ", "))
        }
        return [
            chart("curves-loss", "Loss, \(part)", column: 2, "set ylabel 'cross-entropy'\nset yrange [0:*]"),
            chart(
                "curves-accuracy", "\(hasLabels ? "Mean average precision" : "Accuracy"), \(part)", column: 3,
                "set ylabel '%'\nset yrange [0:100]"),
        ]
    }

    /// A bar for each run with its interval.
    static func accuracies(_ comparison: Comparison) -> Chart {
        let rows = comparison.entries.enumerated().map { index, entry -> [Double?] in
            [Double(index), 100 * entry.score, 100 * entry.interval.lower, 100 * entry.interval.upper]
        }
        let names = comparison.entries.enumerated().map { ("\($1.run.name) · \($1.run.model)", Double($0)) }
        return Chart(
            name: "accuracies",
            title: "\(comparison.task == .multilabel ? "Mean average precision" : "Accuracy") with 95 % intervals",
            width: 620, height: height(of: rows.count),
            fontSize: font(rows.count),
            script: data("bars", rows)
                + "set yrange [\(Double(rows.count) - 0.4):-0.6]\nset grid noytics\nset border 1\n"
                + tics("y", names, limit: 44) + "set xrange [0:100]\nset xlabel '%'\n"
                + "plot $bars using (0):1:(0):2:($1 - 0.34):($1 + 0.34) with boxxyerror fillstyle solid 0.85 noborder "
                + "linecolor rgb '\(Ink.blue)', $bars using 2:1:3:4 with xerrorbars pointtype 0 linewidth 1.6 "
                + "linecolor rgb '\(Ink.orange)'")
    }

    /// Gains by class from the first to the best run, largest changes first.
    static func gains(_ comparison: Comparison) -> Chart? {
        let changed = comparison.classGains.filter { $0.best != $0.first }
        guard comparison.entries.count > 1, !changed.isEmpty else { return nil }
        let shown = changed.count <= 24 ? changed : Array(changed.prefix(12) + changed.suffix(12))
        let rows = shown.enumerated().map { [100 * ($1.best - $1.first), Double($0)] as [Double?] }
        return Chart(
            name: "class-gains",
            title: "Change of \(comparison.task == .multilabel ? "average precision" : "recall") from the first to "
                + "the best run, in percentage points",
            width: 560, height: height(of: shown.count), fontSize: font(shown.count),
            script: data("bars", rows) + list(shown.map(\.label)) + "set xlabel 'points'\nset xrange [*<0:0<*]\n"
                + "plot $bars using (0):2:(0):1:($2 - 0.38):($2 + 0.38) with boxxyerror fillstyle solid 0.85 noborder "
                + "linecolor rgb '\(Ink.green)'")
    }
}

import Datasets
import Extraction
import FeatureCache
import Foundation
import SequenceModels
import Threads

/// The report of a run with several labels a clip, from the cache: training, metrics, precision–recall curves, labels
/// that occur together, and the frames of its most confident errors.
package struct LabelReport: Report {
    package let charts: [Chart]
    let run: ReportedRun
    let metrics: LabelMetrics
    let together: LabelPairs
    let misses, falseAlarms: [ClipView]
    let missCount, falseAlarmCount: Int

    /// Number of errors of each kind whose frames are shown.
    private static let shown = 10

    /// As `RunReport.init`.
    package init(
        _ directory: RunDirectory, role: ClipRole? = nil, cache path: String? = nil, root: String? = nil
    ) throws {
        let cache = try CacheFile(path: path ?? directory.load().configuration.cache, create: false)
        let run = try ReportedRun(directory, role: role, cache, root: root)
        let metrics = LabelMetrics(run.predictions, labels: run.head.labels)
        (self.run, self.metrics) = (run, metrics)
        together = LabelPairs(run.predictions, labels: metrics.labels)
        let errors = LabelErrors(run.predictions, labels: run.head.labels)
        (missCount, falseAlarmCount) = (errors.misses.count, errors.falseAlarms.count)
        misses = Self.views(errors.misses.prefix(Self.shown), run)
        falseAlarms = Self.views(errors.falseAlarms.prefix(Self.shown), run)
        let scores = LabelScores(run.predictions, labels: run.head.labels)
        let figures = metrics.labels.enumerated().map { place, label in
            ClassFigures(
                label: label, clips: run.counts[label] ?? [:], recall: metrics.averagePrecision[place], isRare: false)
        }
        charts =
            Chart.curves(run.epochs, best: run.configuration.bestEpoch, task: .multilabel)
            + [Chart.meanAveragePrecision(run.epochs, best: run.configuration.bestEpoch)].compactMap(\.self)
            + [.averagePrecisions(figures)] + Chart.precisionRecall(scores, metrics) + [.together(together)]
            + [.distribution(figures, splits: run.splits)]
    }

    /// Decodes the clips in parallel.
    private static func views(_ errors: some Collection<LabelErrors.Entry>, _ run: ReportedRun) -> [ClipView] {
        let byID = Dictionary(run.clips.map { ($0.videoID, $0) }, uniquingKeysWith: { first, _ in first })
        let chosen = errors.compactMap { error in byID[error.prediction.videoID].map { ($0, error) } }
        return concurrentMap(chosen.count) { index in
            let (clip, error) = chosen[index]
            let strip = FrameStrip(clip, root: run.root, recipe: run.recipe, weights: nil, limit: 10)
            return ClipView(clip, error, labels: run.head.labels, strip: strip)
        }
    }

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: run.configuration.name, subtitle: run.subtitle)
        let unknown = metrics.unknownLabels
        page.notes = run.notes(
            .labels(metrics),
            unknown: unknown.isEmpty
                ? nil
                : "\(counted(unknown.count, "label")) without training clips (\(unknown.joined(separator: ", "))) "
                    + "\(unknown.count == 1 ? "counts" : "count") as missed, with an average precision of 0.")
        page.tiles = tiles
        page.sections = [
            run.training(figures(["loss", "map", "accuracy", "learning-rate"], drawn: drawn)), labelSection(drawn),
            curves(drawn), pairs(drawn), errorSection("misses", "Most confident misses", misses, of: missCount),
            errorSection("false-alarms", "Most confident false alarms", falseAlarms, of: falseAlarmCount),
            dataset(drawn), run.settings,
        ].compactMap { $0 }
        page.footer = run.footer
        return try page.html()
    }

    private var tiles: [Page.Tile] {
        let (chosen, half) = (metrics.atThresholds, metrics.atHalf)
        var tiles = [
            Page.Tile(
                name: run.isHeldOut ? "held-out mean average precision" : "mean average precision",
                value: percent(metrics.meanAveragePrecision), detail: "95 %: \(percent(run.interval))"),
            Page.Tile(
                name: "macro F1", value: percent(chosen.macro.f1),
                detail: "at the thresholds; \(percent(half.macro.f1)) at 0.5"),
            Page.Tile(
                name: "micro F1", value: percent(chosen.micro.f1),
                detail: "at the thresholds; \(percent(half.micro.f1)) at 0.5"),
            Page.Tile(
                name: "all labels right", value: percent(chosen.subsetAccuracy),
                detail: "at the thresholds; \(percent(half.subsetAccuracy)) at 0.5"),
            Page.Tile(
                name: "Hamming loss", value: percent(chosen.hammingLoss), detail: "wrong decisions for clip and label"),
            Page.Tile(
                name: "micro average precision", value: percent(metrics.microAveragePrecision),
                detail: "GAP@20: \(percent(metrics.globalAveragePrecision))"),
            Page.Tile(name: "loss", value: decimal(metrics.loss, 4), detail: "binary cross-entropy"),
            Page.Tile(
                name: "clips", value: grouped(metrics.count), detail: counted(metrics.labels.count, "label")),
            Page.Tile(
                name: "parameters", value: grouped(run.parameters),
                detail: run.configuration.training.model.summary),
        ]
        tiles += run.tiles
        if let tile = run.epochTile { tiles.append(tile) }
        return tiles
    }

    private func labelSection(_ drawn: [Data]) -> Page.Section {
        Page.Section(
            id: "labels", heading: "Labels",
            text: (run.isHeldOut
                ? "Each fold model predicts with thresholds that it chose on its own validation clips. "
                : "A label is predicted if its probability is at least its threshold, which has the highest F1 on the "
                    + "clips used for model selection. ") + "A clip counts for each of its labels.",
            figures: figures(["average-precision"], drawn: drawn),
            tables: [Page.Table(metrics.perLabel(thresholds: run.isHeldOut ? [] : run.head.thresholds))])
    }

    private func curves(_ drawn: [Data]) -> Page.Section? {
        let drawnCurves = figures(charts.map(\.name).filter { $0.hasPrefix("precision-recall") }, drawn: drawn)
        guard !drawnCurves.isEmpty else { return nil }
        return Page.Section(
            id: "curves", heading: "Precision and recall",
            text: "Each point is a threshold. The area under a curve is the label's average precision.",
            figures: drawnCurves)
    }

    private func pairs(_ drawn: [Data]) -> Page.Section {
        var section = Page.Section(id: "together", heading: "Labels that occur together")
        guard !together.pairs.isEmpty else {
            section.text = "No clip has two labels."
            return section
        }
        section.figures = figures(["together"], drawn: drawn)
        let rows = together.pairs.prefix(20)
        let table = TextTable(
            [("label", .left), ("with", .left), ("clips", .right), ("predicted together", .right)],
            rows: rows.map { [$0.first, $0.second, "\($0.clips)", "\($0.predicted)"] })
        let shown = together.pairs.count > rows.count ? ", the first 20 of \(together.pairs.count)" : ""
        section.tables = [Page.Table(table, caption: "Most frequent pairs" + shown)]
        return section
    }

    private func errorSection(_ id: String, _ heading: String, _ views: [ClipView], of count: Int) -> Page.Section {
        let what = id == "misses" ? "misses" : "false alarms"
        return Page.Section(
            id: id, heading: heading,
            text: views.isEmpty ? "There are none." : "\(views.count) of \(count) \(what), most confident first.",
            clips: views)
    }

    private func dataset(_ drawn: [Data]) -> Page.Section {
        var table = TextTable([("label", .left)] + run.splits.map { ($0, .right) })
        for label in metrics.labels {
            table.append([label] + run.splits.map { "\(run.counts[label]?[$0] ?? 0)" })
        }
        let none = run.clips.filter { run.head.task.names(in: $0.label).isEmpty }
        table.append(["none"] + run.splits.map { split in "\(none.count { $0.split == split })" })
        table.append(["all clips"] + run.splits.map { split in "\(run.clips.count { $0.split == split })" })
        return Page.Section(
            id: "dataset", heading: "Data set", figures: figures(["distribution"], drawn: drawn),
            tables: [Page.Table(table, fold: drawn.isEmpty && metrics.labels.count <= 30 ? nil : "As a table")])
    }
}

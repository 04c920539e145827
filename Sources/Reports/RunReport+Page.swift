import Foundation
import SequenceModels

// A run's report as a page.

extension RunReport {
    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: run.configuration.name, subtitle: run.subtitle)
        page.notes = run.notes(.classes(metrics), unknown: unknownNote)
        page.tiles = tiles
        page.sections = [
            run.training(figures(["loss", "accuracy", "learning-rate"], drawn: drawn)), classSection(drawn),
            confusion(drawn), probabilities(drawn), mistakeSection, unsureSection,
            continuousSection(drawn), dataset(drawn), run.settings,
        ].compactMap { $0 }
        page.footer = run.footer
        return try page.html()
    }

    private var unknownNote: String? {
        let unknown = metrics.unknown
        return unknown.count == 0
            ? nil
            : "\(counted(unknown.count, "clip")) of classes without training clips "
                + "(\(unknown.labels.joined(separator: ", "))) count\(unknown.count == 1 ? "s" : "") as wrong."
    }

    /// The name of the accuracy: the average over repetitions is higher than a single model's.
    private var accuracyName: String {
        let repeats = run.configuration.crossValidation?.repeats ?? 1
        if run.isHeldOut {
            return repeats > 1 ? "held-out accuracy of the ensemble of \(repeats) repeats" : "held-out accuracy"
        }
        return split == .train ? "accuracy on training clips" : "accuracy"
    }

    private var tiles: [Page.Tile] {
        var tiles = [
            Page.Tile(name: accuracyName, value: percent(metrics.accuracy), detail: "95 %: \(percent(run.interval))")
        ]
        if metrics.labels.count > 5 { tiles.append(Page.Tile(name: "top-5", value: percent(metrics.accuracy(top: 5)))) }
        tiles += [
            Page.Tile(name: "loss", value: decimal(metrics.loss, 4), detail: "cross-entropy"),
            Page.Tile(
                name: "calibration error", value: percent(reliability.expectedError),
                detail: "confidence minus accuracy"),
            Page.Tile(name: "balanced accuracy", value: percent(metrics.balancedAccuracy)),
            Page.Tile(name: "macro F1", value: percent(metrics.macroF1)),
            Page.Tile(name: "mean average precision", value: percent(scores.meanAveragePrecision)),
            Page.Tile(
                name: "clips", value: grouped(metrics.count),
                detail: "\(counted(metrics.labels.count, "class", "classes"))"),
            Page.Tile(
                name: "parameters", value: grouped(run.parameters),
                detail: run.configuration.training.model.summary),
        ]
        tiles += run.tiles
        if let roc = scores.roc {
            tiles.append(
                Page.Tile(
                    name: "area under ROC", value: percent(roc.area),
                    detail: "best threshold for \(roc.positive): \(percent(roc.threshold))"))
            tiles.append(
                Page.Tile(
                    name: "F1 of \(roc.positive)", value: percent(roc.atHalf.f1),
                    detail: "precision \(percent(roc.atHalf.precision)), recall \(percent(roc.atHalf.recall)), "
                        + "specificity \(percent(roc.atHalf.specificity))"))
        }
        if let tile = run.epochTile { tiles.append(tile) }
        return tiles
    }

    private func classSection(_ drawn: [Data]) -> Page.Section {
        var section = Page.Section(id: "classes", heading: "Classes")
        let rare = classes.filter(\.isRare).map(\.label)
        section.text =
            rare.isEmpty
            ? "Every class has at least 90 % of the mean number of training clips."
            : "\(rare.count) of \(classes.count) classes have fewer than 90 % of the mean number of training clips; "
                + "they are marked."
        section.figures = figures(["classes", "frequency"], drawn: drawn).sorted { $0.size < $1.size }
        var table = TextTable([
            ("class", .left), ("training clips", .right), ("clips", .right), ("recall", .right), ("precision", .right),
            ("F1", .right), ("", .left), ("most often predicted as", .left),
        ])
        for (index, own) in classes.enumerated() {
            table.append(
                [own.label, "\(own.trained)", "\(metrics.perClass(index).count)"] + metrics.percentages(index)
                    + [own.isRare ? "rare" : "", metrics.mostFrequentConfusion(index) ?? ""])
        }
        section.tables = [Page.Table(table, fold: drawn.isEmpty && classes.count <= 30 ? nil : "As a table")]
        return section
    }

    private func confusion(_ drawn: [Data]) -> Page.Section {
        var section = Page.Section(id: "confusion", heading: "Confusion")
        section.figures = figures(["confusion", "confusion-normalized"], drawn: drawn)
        var pairs: [(truth: Int, predicted: Int, count: Int)] = []
        for (truth, row) in metrics.confusion.enumerated() {
            for (predicted, count) in row.enumerated() where predicted != truth && count > 0 {
                pairs.append((truth, predicted, count))
            }
        }
        pairs.sort { ($1.count, $0.truth, $0.predicted) < ($0.count, $1.truth, $1.predicted) }
        guard !pairs.isEmpty else {
            section.text = "There are no errors."
            return section
        }
        var table = TextTable([
            ("true", .left), ("predicted", .left), ("clips", .right), ("share of the class", .right),
        ])
        for pair in pairs.prefix(20) {
            table.append([
                metrics.labels[pair.truth], metrics.labels[pair.predicted], "\(pair.count)",
                percent(Double(pair.count) / Double(max(1, metrics.perClass(pair.truth).count))),
            ])
        }
        let shown = pairs.count > 20 ? ", the first 20 of \(pairs.count)" : ""
        section.tables = [Page.Table(table, caption: "Most frequent confusions" + shown)]
        if drawn.isEmpty && metrics.labels.count <= 30 {
            section.tables.append(Page.Table(metrics.confusionText, caption: "All counts"))
        }
        return section
    }

    private func probabilities(_ drawn: [Data]) -> Page.Section {
        var section = Page.Section(id: "probabilities", heading: "Probabilities")
        section.text =
            "Where the curve is below the diagonal, predictions are overconfident. The expected calibration "
            + "error is \(percent(reliability.expectedError))."
        section.figures = figures(["calibration", "top-k", "roc"], drawn: drawn)
        var bins = TextTable([
            ("probability of the prediction", .left), ("clips", .right), ("mean probability", .right),
            ("accuracy", .right),
        ])
        for bin in reliability.bins {
            bins.append([
                "\(percent(bin.lower)) to \(percent(bin.upper))", "\(bin.count)", percent(bin.confidence),
                percent(bin.accuracy),
            ])
        }
        var top = TextTable([("k", .right), ("top-k accuracy", .right)])
        for k in 1...min(10, metrics.labels.count) { top.append(["\(k)", percent(metrics.accuracy(top: k))]) }
        let fold = drawn.isEmpty ? nil : "As tables"
        section.tables = [Page.Table(bins, fold: fold), Page.Table(top, fold: fold.map { _ in "Top-k" })]
        return section
    }

    private var mistakeSection: Page.Section {
        var section = Page.Section(id: "mistakes", heading: "Most confident errors")
        let weights = attends ? " The number under each frame is its attention weight." : ""
        section.text =
            mistakes.isEmpty
            ? "There are no errors." : "\(mistakes.count) of \(mistakeCount) errors, most confident first.\(weights)"
        section.clips = mistakes
        return section
    }

    private var unsureSection: Page.Section? {
        guard !unsure.isEmpty else { return nil }
        let weights = attends && mistakes.isEmpty ? " The number under each frame is its attention weight." : ""
        return Page.Section(
            id: "unsure", heading: "Least confident correct predictions",
            text: "Correct predictions with the lowest probability." + weights, clips: unsure)
    }

    private func continuousSection(_ drawn: [Data]) -> Page.Section? {
        guard let continuous else { return nil }
        return Page.Section(
            id: "continuous", heading: "Sliding windows over concatenated clips",
            text: "Sliding windows of \(continuous.window) frames over concatenated clips of different classes: "
                + "\(percent(continuous.accuracy)) of \(counted(continuous.windows, "window")) are classified as the "
                + "action of most of their frames.", figures: figures(["first-action", "joined-clips"], drawn: drawn),
            tables: [Page.Table(continuous.table, caption: "By the number of frames of the window's first action")])
    }

    private func dataset(_ drawn: [Data]) -> Page.Section {
        var table = TextTable([("class", .left)] + run.splits.map { ($0, .right) })
        for own in classes { table.append([own.label] + run.splits.map { "\(own.clips[$0] ?? 0)" }) }
        table.append(["all"] + run.splits.map { split in "\(classes.reduce(0) { $0 + ($1.clips[split] ?? 0) })" })
        return Page.Section(
            id: "dataset", heading: "Data set", figures: figures(["distribution"], drawn: drawn),
            tables: [Page.Table(table, fold: drawn.isEmpty && classes.count <= 30 ? nil : "As a table")])
    }
}

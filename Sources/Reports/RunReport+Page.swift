import Foundation
import SequenceModels

// A run's report as a page.

extension RunReport {
    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: configuration.name, subtitle: subtitle)
        page.notes = notes
        page.tiles = tiles
        page.sections = [
            training(drawn), classSection(drawn), confusion(drawn), probabilities(drawn), mistakeSection, unsureSection,
            continuousSection(drawn), dataset(drawn), settings,
        ].compactMap { $0 }
        page.footer = "Zoetrope \(configuration.version) · \(split.rawValue) clips of \(configuration.dataset)"
        return try page.html()
    }

    private var subtitle: String {
        "\(configuration.training.model.summary) on \(recipe.backbone) features of \(configuration.dataset); "
            + "metrics of the \(isHeldOut ? "held-out" : split.rawValue) clips"
    }

    /// Whether the predictions are out-of-fold.
    private var isHeldOut: Bool { configuration.crossValidation != nil && split == .validation }

    private var notes: [String] {
        var notes: [String] = []
        if recipe.weights == "random" {
            notes.append("The features come from an untrained (random) \(recipe.backbone).")
        }
        if let state = summary?.state, state != "finished" { notes.append("The state of this run is \"\(state)\".") }
        let unknown = metrics.unknown
        if unknown.count > 0 {
            notes.append(
                "\(counted(unknown.count, "clip")) of classes without training clips "
                    + "(\(unknown.labels.joined(separator: ", "))) count\(unknown.count == 1 ? "s" : "") as wrong.")
        }
        if let parts = configuration.missing, parts.total.count > 0 {
            notes.append("When the run was trained, " + parts.text + ".")
        }
        notes += SequenceRun.warnings([split: metrics]).map { "Warning: " + $0 + "." }
        if isHeldOut {
            notes.append("Fold models predicted these held-out clips; the model that is kept was trained on them.")
        } else if split == .train {
            notes.append("The run was trained on these clips, so their accuracy does not generalise to other clips.")
        } else if split == .validation {
            notes.append("These clips are used for model selection, so their accuracy is optimistic.")
        }
        return notes
    }

    /// The name of the accuracy: the average over repetitions is higher than a single model's.
    private var accuracyName: String {
        let repeats = configuration.crossValidation?.repeats ?? 1
        if isHeldOut {
            return repeats > 1 ? "held-out accuracy of the ensemble of \(repeats) repeats" : "held-out accuracy"
        }
        return split == .train ? "accuracy on training clips" : "accuracy"
    }

    private var tiles: [Page.Tile] {
        var tiles = [
            Page.Tile(name: accuracyName, value: percent(metrics.accuracy), detail: "95 %: \(percent(interval))")
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
            Page.Tile(name: "parameters", value: grouped(parameters), detail: configuration.training.model.summary),
        ]
        if let folds = configuration.crossValidation {
            let (mean, standardDeviation) = folds.accuracy
            tiles.append(
                Page.Tile(
                    name: "held-out accuracy of single models", value: percent(mean),
                    detail: (standardDeviation.map { "± \(percent($0)) " } ?? "")
                        + "over \(folds.folds) folds, \(counted(folds.repeats, "repeat"))"))
        }
        if let roc = scores.roc {
            tiles.append(
                Page.Tile(
                    name: "area under ROC", value: percent(roc.area),
                    detail: "best threshold for \(roc.positive): \(percent(roc.threshold))"))
        }
        if let summary {
            tiles.append(
                Page.Tile(
                    name: "epochs", value: "\(summary.epochs)",
                    detail: "best \(configuration.bestEpoch), \(decimal(summary.seconds, 1)) s"))
        }
        return tiles
    }

    private func training(_ drawn: [Data]) -> Page.Section {
        var section = Page.Section(id: "training", heading: "Training")
        guard !epochs.isEmpty else {
            section.text = "The cache holds no epochs of this run."
            return section
        }
        section.figures = figures(["loss", "accuracy", "learning-rate"], drawn: drawn)
        if !epochs.contains(where: { $0.validationLoss != nil }) {
            section.text = "There is no validation part: the weights of the last epoch are kept."
        }
        var table = TextTable([
            ("epoch", .right), ("learning rate", .right), ("train loss", .right), ("train accuracy", .right),
            ("validation loss", .right), ("validation accuracy", .right), ("seconds", .right),
        ])
        for epoch in epochs {
            table.append([
                "\(epoch.epoch)", "\(Float(epoch.learningRate))", decimal(epoch.trainLoss, 4),
                percent(epoch.trainAccuracy), epoch.validationLoss.map { decimal($0, 4) } ?? "–",
                epoch.validationAccuracy.map(percent) ?? "–", decimal(epoch.seconds, 2),
            ])
        }
        section.tables = [Page.Table(table, fold: "All \(epochs.count) epochs")]
        return section
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
        var table = TextTable([("class", .left)] + splits.map { ($0, .right) })
        for own in classes { table.append([own.label] + splits.map { "\(own.clips[$0] ?? 0)" }) }
        table.append(["all"] + splits.map { split in "\(classes.reduce(0) { $0 + ($1.clips[split] ?? 0) })" })
        return Page.Section(
            id: "dataset", heading: "Data set", figures: figures(["distribution"], drawn: drawn),
            tables: [Page.Table(table, fold: drawn.isEmpty && classes.count <= 30 ? nil : "As a table")])
    }

    private var settings: Page.Section {
        let training = configuration.training
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = (try? encoder.encode(training)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let facts = [
            ("head", training.model.summary),
            (
                "optimizer",
                "\(training.optimizer.kind.rawValue), learning rate " + "\(Float(training.optimizer.learningRate))"
            ), ("batch size", "\(training.batchSize)"), ("epochs", "at most \(training.epochs)"),
            ("seed", "\(training.seed)"), ("standardize", training.standardize ? "true" : "false"),
            ("data set", configuration.dataset), ("cache", configuration.cache), ("backbone", recipe.backbone),
            ("weights", configuration.weights), ("tap", recipe.tap), ("image size", "\(recipe.imageSize)"),
            ("frames", "at most \(configuration.input.maximumLength)"), ("precision", recipe.precision.rawValue),
            ("recipe", configuration.recipeDigest), ("started", summary?.startedAt ?? "–"),
        ]
        let recipeText = (try? JSONSerialization.jsonObject(with: Data(configuration.recipe.utf8))).flatMap {
            try? JSONSerialization.data(
                withJSONObject: $0, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        }.map { String(decoding: $0, as: UTF8.self) }
        return Page.Section(
            id: "settings", heading: "Configuration", tables: [Page.Table(facts: facts)],
            documents: [
                Page.Document(name: "Training configuration", text: text),
                Page.Document(name: "Recipe of the features", text: recipeText ?? configuration.recipe),
            ])
    }
}

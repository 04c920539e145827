import Foundation
import SequenceModels

// The parts of a run's page that do not depend on the task.

extension ReportedRun {
    /// `figures`: of the epochs.
    func training(_ figures: [Page.Figure]) -> Page.Section {
        var section = Page.Section(id: "training", heading: "Training")
        guard !epochs.isEmpty else {
            section.text = "The cache holds no epochs of this run."
            return section
        }
        section.figures = figures
        if !epochs.contains(where: { $0.validationLoss != nil }) {
            section.text =
                "There is no validation part: the weights of the epoch that is best on the training clips are kept."
        }
        let hasLabels = head.task == .multilabel
        let share = hasLabels ? "all labels right" : "accuracy"
        var table = TextTable(
            [
                ("epoch", .right), ("learning rate", .right), ("train loss", .right), ("train \(share)", .right),
                ("validation loss", .right), ("validation \(share)", .right),
            ] + (hasLabels ? [("validation mAP", .right)] : []) + [("seconds", .right)])
        for epoch in epochs {
            var cells = [
                "\(epoch.epoch)", "\(Float(epoch.learningRate))", decimal(epoch.trainLoss, 4),
                percent(epoch.trainAccuracy), epoch.validationLoss.map { decimal($0, 4) } ?? "–",
                epoch.validationAccuracy.map(percent) ?? "–",
            ]
            if hasLabels { cells.append(epoch.validationMAP.map(percent) ?? "–") }
            table.append(cells + [decimal(epoch.seconds, 2)])
        }
        section.tables = [Page.Table(table, fold: "All \(epochs.count) epochs")]
        return section
    }

    var settings: Page.Section {
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

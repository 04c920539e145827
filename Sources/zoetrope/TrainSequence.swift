import ArgumentParser
import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import Pipelines
import Reports
import SequenceModels

/// Stage 2.
struct TrainSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence",
        abstract: "Train a classifier on cached features; no video is opened.")

    @Argument(help: "A pipeline file (YAML) with a `sequence` part.")
    var pipeline: String

    @OptionGroup var cache: CacheOption

    @Option(help: "Folder that holds the runs.")
    var runs = "runs"

    @Option(help: "Name of the run (default: the pipeline's, numbered where it is taken).")
    var name: String?

    @Option(name: .customLong("set"), help: "Override a key, such as sequence.optimizer.learning_rate=1e-4.")
    var overrides: [String] = []

    func validate() throws {
        if let name, name.isEmpty || name.contains("/") || name.hasPrefix(".") {
            throw ValidationError("--name must be usable as a folder's name, not '\(name)'.")
        }
    }

    func run() throws {
        try Console.perform {
            let pipeline = try Pipeline(file: pipeline, overrides: overrides)
            let cache = try CacheFile(path: cache.path, create: false)
            let summary = try Self.train(pipeline, file: self.pipeline, cache: cache, runs: runs, name: name)
            if summary.wasCancelled { throw Console.interrupted }
        }
    }

    /// Trains, printing epochs and the result.
    @discardableResult
    static func train(
        _ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, name: String?
    ) throws -> SequenceRun.Summary {
        guard let training = pipeline.training else {
            throw PipelineError(file: file, "`sequence` is missing: there is nothing to train")
        }
        guard let features = pipeline.trainedOn else {
            let names = pipeline.extractions.map(\.backbone.name).joined(separator: ", ")
            throw PipelineError(
                file: file,
                "`extract.backbone` lists several (\(names)): say with `sequence.backbone` on which to train")
        }
        let stored = try cache.extractions()
        guard let extraction = features.stored(in: stored) else {
            let known = stored.map { "\($0.record.backbone) \($0.record.tap) at \($0.record.imageSize)" }
            let wanted =
                "\(features.backbone.name) \(features.tap) at "
                + "\(features.imageSize), \(features.sampling.frames) frames"
            throw SequenceError.notExtracted(
                cache: cache.path, recipe: wanted, available: Set(known).sorted())
        }
        if extraction.record.weights == "random" {
            Console.message("note: the features come from an untrained (random) \(extraction.record.backbone)")
        }
        let runName = try name ?? SequenceRun.freeName(pipeline.name, in: cache, runs: runs)
        let run = SequenceRun(
            name: runName, dataset: pipeline.dataset.name, training: training, runs: runs,
            version: ZoetropeCommand.version)
        Interruption.install()
        let line = ProgressLine()
        let summary = try run.run(
            cache: cache, extraction: extraction, labels: pipeline.dataset.chosenLabels,
            isCancelled: { Interruption.isRequested }
        ) { event in
            show(event, run, line)
        }
        line.clear()
        print(text(summary, run))
        return summary
    }

    private static func show(_ event: SequenceRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .loaded(let train, let validation, let test, let classes, let parameters):
            Console.message(
                "\(run.name): \(run.training.model.summary), \(grouped(parameters)) parameters, \(classes) classes; "
                    + "\(train) training, \(validation) validation, \(test) test clips")
        case .epoch(let epoch):
            var text =
                "epoch \(epoch.epoch)/\(run.training.epochs)  loss \(decimal(epoch.trainLoss, 4))  "
                + "accuracy \(percent(epoch.trainAccuracy))"
            if let loss = epoch.validationLoss, let accuracy = epoch.validationAccuracy {
                text += "  validation \(decimal(loss, 4))  \(percent(accuracy))"
            }
            line.show(force: epoch.epoch == 1 || epoch.epoch == run.training.epochs, text)
        }
    }

    private static func text(_ summary: SequenceRun.Summary, _ run: SequenceRun) -> String {
        var table = TextTable([
            ("split", .left), ("clips", .right), ("loss", .right), ("accuracy", .right), ("top-5", .right),
        ])
        for split in Split.allCases {
            guard let metrics = summary.metrics[split] else { continue }
            table.append([
                split.rawValue, "\(metrics.count)", decimal(metrics.loss, 4), percent(metrics.accuracy),
                metrics.labels.count > 5 ? percent(metrics.accuracy(top: 5)) : "–",
            ])
        }
        let seconds = decimal(summary.seconds, 2)
        return """
            \(run.name): best epoch \(summary.bestEpoch) of \(summary.epochs), trained in \(seconds) s\
            \(summary.wasCancelled ? " (interrupted)" : "")
            \(table.text)
            Run: \(summary.directory)
            """
    }
}

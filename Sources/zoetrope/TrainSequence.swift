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

    @Flag(
        help:
            "Go on with the run of that name from its last checkpoint, to the bit as if it had never stopped; begin where it has none."
    )
    var resume = false

    @OptionGroup var resources: TrainingResources

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
            let summary = try Self.train(
                pipeline, file: self.pipeline, cache: cache, runs: runs, name: resume ? name ?? pipeline.name : name,
                resources: resources, resumes: resume)
            if summary.wasCancelled { throw Console.interrupted }
        }
    }

    /// Trains, printing epochs and the result.
    @discardableResult
    static func train(
        _ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, name: String?,
        resources: TrainingResources? = nil, resumes: Bool = false
    ) throws -> SequenceRun.Summary {
        guard let training = pipeline.training else {
            throw PipelineError(file: file, "`sequence` is missing: there is nothing to train")
        }
        let extraction = try Self.extraction(of: pipeline, file: file, in: cache)
        if extraction.record.weights == "random" {
            Console.message("note: the features come from an untrained (random) \(extraction.record.backbone)")
        }
        let runName = try name ?? SequenceRun.freeName(pipeline.name, in: cache, runs: runs)
        var run = SequenceRun(
            name: runName, dataset: pipeline.dataset.name, training: training, runs: runs,
            version: ZoetropeCommand.version)
        run.threads = resources?.threads ?? ProcessInfo.processInfo.activeProcessorCount
        run.memory = resources?.bytes ?? TrainingResources.defaultBytes
        run.resumes = resumes
        run.root = pipeline.dataset.root
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

    /// The stored recipe that the pipeline trains on.
    static func extraction(
        of pipeline: Pipeline, file: String, in cache: CacheFile
    ) throws -> (id: Int64, record: ExtractionRecord) {
        guard pipeline.training != nil else {
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
        return extraction
    }

    private static func show(_ event: SequenceRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .loaded(let train, let validation, let test, let classes, let parameters):
            Console.message(
                "\(run.name): \(run.training.model.summary), \(grouped(parameters)) parameters, \(classes) classes; "
                    + "\(train) training, \(validation) validation, \(test) test clips")
        case .note(let text): Console.message("note: " + text)
        case .resumed(let epochs): Console.message("\(run.name): goes on after epoch \(epochs)")
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
            \(ending(summary.ending))
            \(table.text)
            Run: \(summary.directory)
            """
    }

    private static func ending(_ ending: Trainer.Ending) -> String {
        switch ending {
        case .finished: ""
        case .stoppedEarly: " (stopped early)"
        case .cancelled: " (interrupted; --resume goes on)"
        case .diverged: " (then the loss became infinite or NaN: try a smaller learning rate or standardize: true)"
        }
    }
}

/// How much of the machine training may take.
struct TrainingResources: ParsableArguments {
    @Option(help: "Threads that share the work (default: one a core). The result does not depend on it.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "Memory for features, such as 4GB or 500MB (default: half of the machine's); more is streamed.")
    var memory: String?

    static let defaultBytes = Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)

    /// Bytes that features may take.
    var bytes: Int { (try? Self.bytes(of: memory)) ?? Self.defaultBytes }

    func validate() throws {
        if threads < 1 { throw ValidationError("--threads must be at least 1.") }
        _ = try Self.bytes(of: memory)
    }

    /// What `--memory` says; half of the machine's where it says nothing.
    static func bytes(of text: String?) throws -> Int {
        guard let text else { return defaultBytes }
        guard let bytes = parsed(text) else {
            throw ValidationError("--memory is a number with KB, MB, GB or TB, such as 4GB, not '\(text)'.")
        }
        return bytes
    }

    private static func parsed(_ text: String) -> Int? {
        guard let match = text.uppercased().wholeMatch(of: /(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?/),
            let number = Double(match.1)
        else { return nil }
        let exponent = ["": 0, "K": 1, "M": 2, "G": 3, "T": 4][String(match.2)] ?? 0
        return Int(exactly: (number * pow(1024, Double(exponent))).rounded())
    }
}

import ArgumentParser
import Datasets
import Extraction
import FeatureCache
import Foundation
import Language
import NeuralNetwork
import Pipelines
import Reports
import SequenceModels

/// `sequence`.
struct TrainSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence",
        abstract: "Train a classifier on cached features; no video is opened.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var training: TrainingOptions
    @OptionGroup var partial: PartialOption
    @OptionGroup var unknown: UnknownClassesOption

    @Option(
        help: ArgumentHelp(
            "Cross-validate with this many folds on all clips but the test part; the model that is kept is trained on all folds.",
            valueName: "parts"))
    var folds: Int?

    @Option(
        help: ArgumentHelp(
            "With --folds: repeat the cross-validation this many times with new folds.", valueName: "times"))
    var repeats: Int?

    func validate() throws {
        if let folds, folds < 2 { throw ValidationError("--folds must be at least 2.") }
        if let repeats, repeats < 1 { throw ValidationError("--repeats must be at least 1.") }
    }

    func run() throws {
        try Console.perform {
            try training.runs.requireWritable()
            let (file, runs) = (pipeline.file, training.runs.path)
            var pipeline = try pipeline.read()
            if let folds { pipeline.training?.folds = folds }
            if let repeats { pipeline.training?.repeats = repeats }
            if repeats != nil, pipeline.training?.folds == nil {
                throw PipelineError(file: file, "--repeats needs --folds")
            }
            let cache = try CacheFile(path: training.cache.path, create: false)
            let name = training.wantedName(pipeline)
            let options = Options(allowsPartial: partial.isAllowed, leavesOutUnknown: unknown.leavesOut)
            if pipeline.dataset.allSplits {
                try OfficialSplits(
                    pipeline, file: file, cache: cache, runs: runs, resumes: training.resume, options: options
                ).train(
                    name: name ?? pipeline.name, training.resources)
                return
            }
            let summary = try Self.train(
                pipeline, file: file, cache: cache, runs: runs, name: name, resources: training.resources,
                resumes: training.resume, options: options)
            if summary?.wasCancelled ?? true { throw Console.interrupted }
            if summary?.ending == .diverged { throw Console.someFailed }
        }
    }

    /// Which clips are used, and how those of unknown classes are counted.
    struct Options {
        var allowsPartial = false
        var leavesOutUnknown = false
    }

    /// Trains with progress output and prints the result.
    ///
    /// - Returns: nil if cancelled before there was anything to store.
    @discardableResult
    static func train(
        _ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, name: String?,
        resources: TrainingResources? = nil, resumes: Bool = false, options: Options = Options()
    ) throws -> SequenceRun.Summary? {
        let extraction = try Self.extraction(of: pipeline, file: file, in: cache)
        var pipeline = pipeline
        try pipeline.readTexts(of: extraction.record, in: cache)
        guard let training = pipeline.training else {
            throw PipelineError(file: file, "`sequence` is missing: there is nothing to train")
        }
        if extraction.record.weights == "random" {
            Console.message("note: the features come from an untrained (random) \(extraction.record.backbone)")
        }
        let runName = try name ?? SequenceRun.freeName(pipeline.name, in: cache, runs: runs)
        var run = SequenceRun(
            name: runName, dataset: pipeline.dataset.name, training: training, runs: runs,
            version: ZoetropeCommand.version)
        run.threads = resources?.threads ?? ProcessInfo.processInfo.activeProcessorCount
        run.memory = resources?.memory.bytes ?? MemoryOption.defaultBytes
        run.resumes = resumes
        run.root = pipeline.dataset.root
        run.excluded = try pipeline.dataset.excludedPaths()
        run.source = pipeline.dataset
        try TestPart.check(pipeline.dataset, cache, isCrossValidated: training.folds != nil)
        run.missing = try Self.checkCoverage(pipeline, cache, extraction.id, allowsPartial: options.allowsPartial)
        Interruption.install()
        let line = ProgressLine()
        let summary: SequenceRun.Summary?
        if training.folds != nil {
            let workers = run.threads
            summary = try CrossValidationRun(run, workers: workers).train(
                cache: cache, extraction: extraction, isCancelled: { Interruption.isRequested }
            ) { event in
                show(event, run, line)
            }
        } else {
            summary = try run.run(
                cache: cache, extraction: extraction, isCancelled: { Interruption.isRequested }
            ) { event in
                show(event, run, line)
            }
        }
        line.clear()
        if let summary {
            Console.print(text(summary, run, leavesOutUnknown: options.leavesOutUnknown))
            for warning in summary.warnings { Console.message("warning: \(warning)") }
        }
        if let metrics = summary?.metrics, metrics[.test] == nil, metrics[.validation] != nil, training.folds == nil {
            Console.message("\(TestPart.missingNote(pipeline.dataset))")
        }
        return summary
    }

    /// Reports the number of the pipeline's clips without features.
    ///
    /// - Returns: nil if all have features.
    /// - Throws: `SequenceError.partial` if more than a tenth have none.
    static func checkCoverage(
        _ pipeline: Pipeline, _ cache: CacheFile, _ extraction: Int64, allowsPartial: Bool
    ) throws -> [MissingClips]? {
        let coverage = try ClipCoverage(pipeline.dataset, in: cache, extraction: extraction)
        try coverage.check(allowsPartial: allowsPartial)
        guard let note = coverage.note else { return nil }
        Console.message("note: \(note)")
        return coverage.parts
    }

    private static func show(_ event: CrossValidationRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .fold(let done, let total, let accuracy):
            line.step("folds", done, of: total, "  held-out accuracy \(percent(accuracy))")
        case .validated(let result):
            line.clear()
            Console.message(
                "\(run.name): \(result.summary.text(averaged: result.metrics.accuracy, interval: result.interval)); the model that is "
                    + "kept is trained on all folds for \(counted(result.summary.epochs, "epoch"))")
        case .final(let event): show(event, run, line)
        }
    }

    /// The stored recipe that the pipeline trains on.
    static func extraction(
        of pipeline: Pipeline, file: String, in cache: CacheFile
    ) throws -> (id: Int64, record: ExtractionRecord) {
        guard pipeline.training != nil else {
            throw PipelineError(file: file, "`sequence` is missing: there is nothing to train")
        }
        if !pipeline.joined.isEmpty { return try joined(pipeline, in: cache) }
        guard let features = pipeline.trainedOn else {
            let names = pipeline.extractions.map(\.backbone.name).joined(separator: ", ")
            throw PipelineError(
                file: file,
                "`extract.backbone` lists several (\(names)): choose one with `sequence.backbone`, or concatenate "
                    + "their features with `sequence.join`")
        }
        return try stored(features, in: cache)
    }

    /// The concatenated features, which are joined now if necessary.
    private static func joined(
        _ pipeline: Pipeline, in cache: CacheFile
    ) throws -> (id: Int64, record: ExtractionRecord) {
        let line = ProgressLine()
        defer { line.clear() }
        let parts = try pipeline.joined.map { try stored($0, in: cache) }
        Interruption.install()
        do {
            return try FeatureJoin(parts, in: cache).run(
                name: pipeline.name, version: ZoetropeCommand.version, isCancelled: { Interruption.isRequested }
            ) { done, total in
                line.step("joining", done, of: total)
            }
        } catch is FeatureExtractor.Cancelled {
            throw Console.interrupted
        }
    }

    private static func stored(
        _ features: ExtractionConfiguration, in cache: CacheFile
    ) throws -> (id: Int64, record: ExtractionRecord) {
        guard let extraction = try features.stored(in: cache) else {
            let known = try cache.extractions().map {
                "\($0.record.backbone) \($0.record.tap) at \($0.record.imageSize)"
            }
            let wanted =
                "\(features.backbone.name) \(features.tap) at "
                + "\(features.imageSize), \(features.sampling.frames) frames"
            throw SequenceError.notExtracted(
                cache: cache.path, recipe: wanted, available: Set(known).sorted())
        }
        if case .file(let path, _) = features.weights, !FileManager.default.fileExists(atPath: path) {
            Console.message(
                "note: \(path) does not exist; the features are those of a file of that name with the SHA-256 "
                    + "\((extraction.record.weightsDigest ?? "").prefix(12))…")
        }
        if extraction.record.precision != features.precision.rawValue, !features.choosesPrecision {
            Console.message(
                "note: the features are in \(extraction.record.precision): this processor has no instructions for "
                    + "\(features.precision.rawValue)")
        }
        return extraction
    }

    private static func show(_ event: SequenceRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .loaded(let train, let validation, let test, let classes, let parameters):
            Console.message(
                "\(run.name): \(run.training.model.summary), \(grouped(parameters)) parameters, \(counted(classes, "class", "classes")); "
                    + "\(train) training, \(validation) validation, \(test) test clips")
        case .note(let text): Console.message("note: " + text)
        case .resumed(let epochs): Console.message("\(run.name): resumes after epoch \(epochs)")
        case .epoch(let epoch):
            line.show(
                force: epoch.epoch == 1 || epoch.epoch == run.training.epochs, "\(epoch.text(of: run.training.epochs))")
        }
    }

    private static func text(
        _ summary: SequenceRun.Summary, _ run: SequenceRun, leavesOutUnknown: Bool
    ) -> TerminalText {
        var table = TextTable([
            ("split", .left), ("clips", .right), ("loss", .right), ("accuracy", .right), ("top-5", .right),
        ])
        var notes: [String] = []
        for split in Split.allCases {
            guard var metrics = summary.metrics[split] else { continue }
            let isHeldOut = split == .validation && run.training.folds != nil
            let name = isHeldOut ? "held-out" : split == .train ? "train" : split.rawValue
            let unknown = metrics.unknown
            if leavesOutUnknown { metrics = metrics.ofKnownClasses }
            if unknown.count > 0 {
                notes.append(
                    "\(name): \(counted(unknown.count, "clip")) of classes without training clips "
                        + "(\(unknown.labels.prefix(8).joined(separator: ", "))\(unknown.labels.count > 8 ? ", …" : "")) "
                        + (leavesOutUnknown ? "left out" : "counted as wrong; --known-classes leaves them out"))
            }
            table.append([
                name, "\(metrics.count)", decimal(metrics.loss, 4), percent(metrics.accuracy),
                metrics.knownClasses > 5 ? percent(metrics.accuracy(top: 5)) : "–",
            ])
        }
        let lines = ([table.text] + notes).joined(separator: "\n")
        if run.training.model.kind == .zeroShot {
            return "\(run.name): nothing was trained\n\(lines: lines)\nRun: \(summary.directory)"
        }
        let headline: TerminalText =
            summary.crossValidation.map {
                "\(run.name): \($0.summary.text(averaged: $0.metrics.accuracy, interval: $0.interval))\n"
            } ?? ""
        return headline + """
            \(run.name): best epoch \(summary.bestEpoch) of \(summary.epochs), trained in \(decimal(summary.seconds, 2)) s\
            \(ending(summary.ending))
            \(lines: lines)
            Run: \(summary.directory)
            """
    }

    private static func ending(_ ending: TrainingEnding) -> String {
        switch ending {
        case .finished: ""
        case .stoppedEarly: " (stopped early)"
        case .cancelled: " (interrupted; continue with --resume)"
        case .diverged:
            " (diverged: the loss or a score became infinite or NaN; try a smaller learning rate or standardize: true)"
        }
    }
}

extension Pipeline {
    /// Encodes the class names with the text tower, if the head starts from them.
    ///
    /// - Throws: `TextError`, `TextWeightsError`, `TokenizerError`, `WeightsError`, `CacheError`.
    mutating func readTexts(of record: ExtractionRecord, in cache: CacheFile) throws {
        guard let model = training?.model, model.kind.readsTexts, training?.texts == nil else { return }
        let labels = Set(try cache.samples(dataset: dataset.name).map(\.label)).sorted()
        if labels.isEmpty { return }
        training?.texts = try ClassPrompts.texts(labels, for: model, record)
    }
}

extension EpochRecord {
    /// The metrics of an epoch on one line.
    func text(of epochs: Int) -> String {
        let own = "epoch \(epoch)/\(epochs)  loss \(decimal(trainLoss, 4))  accuracy \(percent(trainAccuracy))"
        guard let loss = validationLoss, let accuracy = validationAccuracy else { return own }
        return own + "  validation \(decimal(loss, 4))  \(percent(accuracy))"
    }
}

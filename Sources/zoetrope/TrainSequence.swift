import ArgumentParser
import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import PipelineFile
import Workflows
import Reports
import SequenceModels

struct TrainSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence", abstract: "Train a classifier on cached features; no video is opened.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var training: TrainingOptions
    @OptionGroup var partial: PartialOption
    @OptionGroup var unknown: UnknownClassesOption

    @Option(
        help: ArgumentHelp(
            "Cross-validate with this many folds on all clips but the test part; the model that is kept is trained on "
                + "all folds.", valueName: "parts")) var folds: Int?

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
            var workflow = SequenceWorkflow(
                pipeline, file: file, cache: cache, runs: runs, version: ZoetropeCommand.version)
            workflow.threads = training.resources.threads
            workflow.memory = training.resources.memory.bytes
            workflow.resumes = training.resume
            workflow.allowsPartial = partial.isAllowed
            workflow.leavesOutUnknown = unknown.leavesOut
            if pipeline.dataset.allSplits { return try trainOfficialSplits(workflow, name ?? pipeline.name) }
            let summary = try Self.train(workflow, name: name, leavesOutUnknown: unknown.leavesOut)
            if summary?.wasCancelled ?? true { throw Console.interrupted }
            if summary?.ending == .diverged { throw Console.someFailed }
        }
    }

    /// Trains with progress output and prints the result. Returns nil if cancelled before there was anything to store.
    @discardableResult
    static func train(
        _ workflow: SequenceWorkflow, name: String?, leavesOutUnknown: Bool = false
    ) throws -> SequenceRun.Summary? {
        let line = ProgressLine()
        let result = try Console.interruptible { isCancelled in
            try workflow.train(name: name, isCancelled: isCancelled) { show($0, line) }
        }
        line.clear()
        if let result { show(result, of: workflow.pipeline, leavesOutUnknown: leavesOutUnknown) }
        return result?.summary
    }

    /// Trains a run on each official split, prints the table of accuracies, and writes it as a report beside the runs.
    private func trainOfficialSplits(_ workflow: SequenceWorkflow, _ name: String) throws {
        let line = ProgressLine()
        let report = try Console.interruptible { isCancelled in
            try workflow.trainOfficialSplits(name: name, isCancelled: isCancelled) {
                Self.show($0, line)
            } finished: {
                line.clear()
                Self.show($0, of: workflow.pipeline, leavesOutUnknown: unknown.leavesOut)
            }
        }
        guard let report else { throw Console.interrupted }
        Console.print("\n\(name), test part of each official split\n\(lines: report.text)")
        let page = "\(workflow.runs)/\(name)-splits.html"
        _ = try report.write(html: page)
        Console.message("Report: " + page)
    }

    private static func show(_ result: SequenceWorkflow.Result, of pipeline: Pipeline, leavesOutUnknown: Bool) {
        Console.print(text(result.summary, result.run, leavesOutUnknown: leavesOutUnknown))
        for warning in result.summary.warnings { Console.message("warning: \(warning)") }
        if result.lacksTest { Console.message("note: \(pipeline.dataset.missingTestNote)") }
    }

    private static func show(_ event: SequenceWorkflow.Event, _ line: ProgressLine) {
        switch event {
        case .features(let event): show(event, line)
        case .training(let event, let run): show(event, run, line)
        }
    }

    static func show(_ event: CachedFeatures.Event, _ line: ProgressLine) {
        switch event {
        case .note(let text):
            line.clear()
            Console.message("note: \(text)")
        case .joining(let done, let total): line.step("joining", done, of: total)
        }
    }

    private static func show(_ event: CrossValidationRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .fold(let done, let total, let score):
            line.step(
                "folds", done, of: total, "  held-out \(run.training.labelTask.shortScoreName) \(percent(score))")
        case .validated(let result):
            line.clear()
            Console.message(
                "\(run.name): \(result.summary.text(averaged: result.metrics.score, interval: result.interval)); "
                    + "the model that is kept is trained on all folds for \(counted(result.summary.epochs, "epoch"))")
        case .final(let event): show(event, run, line)
        }
    }

    private static func show(_ event: SequenceRun.Event, _ run: SequenceRun, _ line: ProgressLine) {
        switch event {
        case .loaded(let train, let validation, let test, let classes, let parameters):
            Console.message(
                "\(run.name): \(run.training.model.summary), \(grouped(parameters)) parameters, "
                    + (run.training.labelTask == .multilabel
                        ? counted(classes, "label") : counted(classes, "class", "classes"))
                    + "; \(train) training, \(validation) validation, \(test) "
                    + "test clips")
        case .note(let text): Console.message("note: " + text)
        case .resumed(let epochs): Console.message("\(run.name): resumes after epoch \(epochs)")
        case .epoch(let epoch):
            line.show(
                force: epoch.epoch == 1 || epoch.epoch == run.training.epochs, "\(epoch.text(run.training))")
        }
    }

    private static func text(
        _ summary: SequenceRun.Summary, _ run: SequenceRun, leavesOutUnknown: Bool
    ) -> TerminalText {
        let hasLabels = run.training.labelTask == .multilabel
        var table = TextTable(
            [("split", .left), ("clips", .right), ("loss", .right)]
                + (hasLabels
                    ? [("mAP", .right), ("macro F1", .right), ("all labels right", .right)]
                    : [("accuracy", .right), ("top-5", .right)]))
        var notes: [String] = []
        for split in Split.allCases {
            guard var metrics = summary.metrics[split] else { continue }
            let isHeldOut = split == .validation && run.training.folds != nil
            let name = isHeldOut ? "held-out" : split == .train ? "train" : split.rawValue
            let unknown = metrics.unknown
            if leavesOutUnknown { metrics = metrics.ofKnownClasses }
            if unknown.count > 0, !hasLabels {
                let first = unknown.labels.prefix(8).joined(separator: ", ") + (unknown.labels.count > 8 ? ", …" : "")
                notes.append(
                    "\(name): \(counted(unknown.count, "clip")) of classes without training clips "
                        + "(\(first)) "
                        + (leavesOutUnknown ? "left out" : "counted as wrong; --known-classes leaves them out"))
            }
            table.append([name, "\(metrics.count)", decimal(metrics.loss, 4)] + figures(metrics))
        }
        let lines = ([table.text] + notes).joined(separator: "\n")
        if run.training.model.kind == .zeroShot {
            return "\(run.name): nothing was trained\n\(lines: lines)\nRun: \(summary.directory)"
        }
        let headline: TerminalText =
            summary.crossValidation.map {
                "\(run.name): \($0.summary.text(averaged: $0.metrics.score, interval: $0.interval))\n"
            } ?? ""
        return headline + """
            \(run.name): best epoch \(summary.bestEpoch) of \(summary.epochs), trained in \
            \(decimal(summary.seconds, 2)) s\
            \(summary.ending.note(remedy: " or standardize: true"))
            \(lines: lines)
            Run: \(summary.directory)
            """
    }

    /// The columns of a split's row behind the loss.
    private static func figures(_ metrics: RunMetrics) -> [String] {
        switch metrics {
        case .classes(let metrics):
            [percent(metrics.accuracy), metrics.knownClasses > 5 ? percent(metrics.accuracy(top: 5)) : "–"]
        case .labels(let metrics):
            [
                percent(metrics.meanAveragePrecision), percent(metrics.atThresholds.macro.f1),
                percent(metrics.atThresholds.subsetAccuracy),
            ]
        }
    }
}

extension TrainingOutcome {
    /// A note behind a run's best epoch; `remedy` is appended to the advice for a diverged run.
    func note(remedy: String = "") -> String {
        switch self {
        case .finished: ""
        case .stoppedEarly: " (stopped early)"
        case .cancelled: " (interrupted; continue with --resume)"
        case .diverged: " (diverged: the loss or a score became infinite or NaN; try a smaller learning rate\(remedy))"
        }
    }
}

extension EpochRecord {
    /// The metrics of an epoch on one line.
    func text(_ training: TrainingConfiguration) -> String {
        let name = training.labelTask == .multilabel ? "all labels right" : "accuracy"
        let own =
            "epoch \(epoch)/\(training.epochs)  loss \(decimal(trainLoss, 4))  \(name) \(percent(trainAccuracy))"
        guard let loss = validationLoss, let accuracy = validationAccuracy else { return own }
        let score = validationMAP.map { "mAP \(percent($0))" } ?? percent(accuracy)
        return own + "  validation \(decimal(loss, 4))  \(score)"
    }
}

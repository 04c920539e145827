import ArgumentParser
import Datasets
import Extraction
import FeatureCache
import Files
import FineTuning
import Foundation
import PipelineFile
import Reports
import SequenceModels

struct FineTune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune", abstract: "Train a backbone, or its last layers, together with a head.",
        discussion: """
            The pipeline's `finetune` section names the layers to train and the training options. Videos are decoded \
            once into a file of frames. The run has the same format as one of `sequence`; its folder holds the \
            backbone as backbone/model.safetensors, for `extract.weights`.
            """)

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var training: TrainingOptions

    @Option(name: .customLong("frames"), help: "The SQLite file that holds decoded frames.")
    var framesPath = "frames.sqlite"

    @OptionGroup var workers: WorkerOption

    func run() throws {
        try Console.perform {
            try training.requireWritable()
            try OutputPath.requireFile(framesPath, "--frames")
            let pipeline = try pipeline.read()
            try pipeline.requireOneSplit(file: self.pipeline.file)
            let summary = try Self.train(
                pipeline, file: self.pipeline.file, cache: CacheFile(path: training.cache.path),
                runs: training.runs.path, name: training.wantedName(pipeline), frames: framesPath,
                resources: training.resources, workers: workers.count, resumes: training.resume)
            if summary.summary.wasCancelled {
                Console.message("Interrupted. Run the same command with --resume to continue.")
                throw Console.interrupted
            }
            if summary.failed > 0 || summary.summary.ending == .diverged { throw Console.someFailed }
        }
    }

    /// Decodes missing clips, trains, and prints the results.
    static func train(
        _ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, name: String?, frames path: String,
        resources: TrainingResources? = nil, workers: Int, resumes: Bool = false
    ) throws -> (summary: FineTuningRun.Summary, failed: Int, run: FineTuningRun) {
        guard let configuration = pipeline.fineTuning else {
            throw PipelineError(file: file, "`finetune` is missing: there is no backbone to train")
        }
        for warning in try configuration.warnings + configuration.weightsNotes() { Console.message("note: " + warning) }
        let runName = try name ?? SequenceRun.freeName(pipeline.name, in: cache, runs: runs)
        var run = FineTuningRun(
            name: runName, dataset: pipeline.dataset, configuration: configuration, runs: runs,
            version: ZoetropeCommand.version)
        run.threads = resources?.threads ?? ProcessInfo.processInfo.activeProcessorCount
        run.memory = resources?.memory.bytes ?? MemoryOption.defaultBytes
        run.resumes = resumes
        Interruption.install()
        let frames = try decode(pipeline.dataset, configuration, path, workers: workers)
        let line = ProgressLine()
        var epoch = 0
        let summary = try run.train(
            frames, cache: cache, isCancelled: { Interruption.isRequested },
            progress: { done, total in
                line.step("epoch \(epoch + 1)/\(configuration.training.epochs)", done, of: total)
            }
        ) { record in
            epoch = record.epoch
            line.clear()
            Console.message("\(record.text(configuration.training))  \(decimal(record.seconds, 1)) s")
        }
        line.clear()
        if !summary.wasCancelled { Console.print(text(summary, run)) }
        for warning in SequenceRun.warnings(summary.metrics) { Console.message("warning: \(warning)") }
        return (summary, frames.failures.count, run)
    }

    private static func decode(
        _ dataset: DatasetConfiguration, _ configuration: FineTuningConfiguration, _ path: String, workers: Int
    ) throws -> FrameSet {
        let line = ProgressLine()
        defer { line.clear() }
        return try Console.interruptible { isCancelled in
            try FrameSet(
                dataset, configuration, store: FrameStore(path: path), workers: workers, isCancelled: isCancelled
            ) { event in
                switch event {
                case .decoded(let done, let total): line.step("decoding", done, of: total)
                case .failed(let path, let reason):
                    line.clear()
                    Console.message("failed: \(path): \(reason)")
                }
            }
        }
    }

    private static func text(_ summary: FineTuningRun.Summary, _ run: FineTuningRun) -> TerminalText {
        let task = run.configuration.training.labelTask
        let table = TextTable(
            [("split", .left), ("clips", .right), ("loss", .right), (task.shortScoreName, .right)],
            rows: Split.allCases.compactMap { split in
                summary.metrics[split].map { [split.rawValue, "\($0.count)", decimal($0.loss, 4), percent($0.score)] }
            })
        return """
            \(run.name): best epoch \(summary.bestEpoch) of \(summary.epochs), \(decimal(summary.seconds, 1)) s\
            \(summary.ending.note())
            \(lines: table.text)
            Run: \(run.directory.path)
            Backbone: \(run.weightsPath)
            """
    }
}

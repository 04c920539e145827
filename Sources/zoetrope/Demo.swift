import ArgumentParser
import Datasets
import Escaping
import Extraction
import FeatureCache
import Files
import Foundation
import PipelineFile
import Workflows
import Reports
import SequenceModels

struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Generate clips, extract features, train two heads, and see that frame order matters.",
        discussion: """
            Eight actions in four pairs; each action is the other of its pair played backwards, so no single frame \
            and no \
            average of frames distinguishes them. A head that averages frames finds the pair; a recurrent head also \
            finds the action.
            """)

    @Argument(help: "Folder for clips, cache, pipelines and runs.") var directory = "demo"

    @OptionGroup var workers: WorkerOption

    func run() throws {
        try Console.perform {
            try OutputPath.requireFolder(directory, "The demo's folder")
            try generate()
            let heads = [("average", "average"), ("gru", "gru, hidden: 64")]
            let pipelines = try heads.map { head, model in (head, try write(head: head, model: model)) }
            let cache = try CacheFile(path: "\(directory)/features.sqlite")
            try extract(pipelines[0].1, cache)
            var results: [(head: String, metrics: Metrics, run: String)] = []
            for (head, pipeline) in pipelines {
                var workflow = SequenceWorkflow(
                    pipeline, file: path(of: head), cache: cache, runs: "\(directory)/runs",
                    version: ZoetropeCommand.version)
                workflow.memory = MemoryOption.defaultBytes
                let summary = try TrainSequence.train(workflow, name: nil)
                guard let summary, !summary.wasCancelled else { throw Console.interrupted }
                guard let metrics = summary.metrics[.test]?.classes else { continue }
                results.append((head, metrics, summary.directory))
            }
            Console.print("\n" + comparison(results))
            try writeSweep()
            try writeFineTuning()
            guard let last = results.last else { return }
            try writeReports(results.map(\.run))
            Console.print("\n" + next(run: last.run))
        }
    }

    private func path(of head: String) -> String { "\(directory)/\(head).yaml" }

    /// A string as a YAML scalar, quoted like JSON if necessary.
    private static func yaml(_ text: String) -> String {
        if text.wholeMatch(of: /[A-Za-z0-9_.\/][A-Za-z0-9_.\/-]*/) != nil { return text }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? text
    }

    private func generate() throws {
        let line = ProgressLine()
        let made = try DemoDataset.write(to: "\(directory)/clips", workers: workers.count) { done, total in
            line.step("drawing", done, of: total)
        }
        line.clear()
        if made > 0 { Console.message("\(counted(made, "clip")) generated in \(directory)/clips") }
    }

    /// Writes a pipeline that trains a small network from scratch on the same clips, for the user to run.
    private func writeFineTuning() throws {
        try create(
            "small-cnn",
            """
            # Written by `zoetrope demo`: a small CNN and a recurrent head trained together, from scratch.
            name: demo-small-cnn
            dataset:
              layout: folders
              root: \(Self.yaml(directory + "/clips"))
              name: demo
            extract:
              backbone: small_cnn
              weights: random
              image_size: 64
              sampling: {policy: uniform, frames: 10}
            finetune:
              unfreeze: all
              model: {kind: lstm, hidden: 64}
              optimizer: {kind: adam, learning_rate: 1e-3}
              batch_size: 16
              epochs: 6
              seed: 42
            sequence:
              model: {kind: lstm, hidden: 64}
              standardize: true
              epochs: 40
              seed: 42

            """)
    }

    /// Writes a pipeline file, unless it exists: the user may have changed it.
    private func create(_ name: String, _ text: String) throws {
        guard !FileManager.default.fileExists(atPath: path(of: name)) else { return }
        try text.write(toFile: path(of: name), atomically: true, encoding: .utf8)
    }

    /// Writes each head's report, and a comparison.
    private func writeReports(_ runs: [String]) throws {
        var pages: [(path: String, report: any Report)] = try runs.reversed().map { run in
            (run + "/report.html", try RunReport(RunDirectory(path: run)))
        }
        pages.append(("\(directory)/comparison.html", try ComparisonReport(runs.map(RunDirectory.init))))
        var problem: String?
        for page in pages { problem = try page.report.write(html: page.path) }
        if let problem { Console.message("note: the reports have no charts. " + problem) }
        let paths = pages.map { "  \($0.path)" as TerminalText }
        Console.print("\nLook at these in a browser:\n\(TerminalText(joining: paths, separator: "\n"))")
    }

    /// Writes a sweep over heads and seeds on the same features, for the user to run.
    private func writeSweep() throws {
        let text = try String(contentsOfFile: path(of: "gru"), encoding: .utf8)
            .replacing("name: demo-gru", with: "name: demo-heads")
        let sweep = """
            sweep:
              sequence.model:
                - {kind: frame}
                - {kind: average}
                - {kind: attention}
                - {kind: gru, hidden: 64}
                - {kind: bilstm, hidden: 64}
              sequence.seed: [1, 2, 3]

            """
        try create("heads", text + sweep)
    }

    /// Writes the pipeline to a file for the user, and reads it back.
    private func write(head: String, model: String) throws -> Pipeline {
        let text = """
            # Written by `zoetrope demo`; edit it and run `zoetrope sequence \(Escaping.visible(path(of: head))) \
            --cache \(Escaping.visible(directory))/features.sqlite --runs \(Escaping.visible(directory))/runs`.
            name: demo-\(head)
            dataset:
              layout: folders
              root: \(Self.yaml(directory + "/clips"))
              name: demo
            extract:
              backbone: resnet18
              weights: random            # untrained: the demo needs no download
              image_size: 112
              sampling: {policy: uniform, frames: 20}
            sequence:
              model: {kind: \(model)}
              standardize: true
              optimizer: {kind: adam, learning_rate: 1e-3}
              batch_size: 32
              epochs: 60
              early_stopping: {monitor: validation_loss, patience: 15}
              seed: 42

            """
        try create(head, text)
        return try Pipeline(file: path(of: head))
    }

    private func extract(_ pipeline: Pipeline, _ cache: CacheFile) throws {
        let extractor = Extractor(
            name: "demo-resnet18", dataset: pipeline.dataset, configurations: pipeline.extractions,
            workers: workers.count, version: ZoetropeCommand.version)
        let summary = try Extract.extract(extractor, into: cache)
        Console.print(lines: summary.text)
        if summary.wasCancelled { throw Console.interrupted }
    }

    private func comparison(_ results: [(head: String, metrics: Metrics, run: String)]) -> TerminalText {
        let table = TextTable(
            [("head", .left), ("accuracy", .right), ("pair accuracy", .right)],
            rows: results.map { [$0.head, percent($0.metrics.accuracy), percent(Self.pairAccuracy($0.metrics))] })
        return """
            Test accuracy of two heads on the same features:
            \(lines: table.text)
            Averaging discards the order of frames; the recurrent head uses it.
            """
    }

    /// Pair accuracy: the share of clips whose prediction is the true action or its time reversal.
    static func pairAccuracy(_ metrics: Metrics) -> Double {
        var right = 0
        for (index, label) in metrics.labels.enumerated() {
            right += metrics.confusion[index][index]
            if let reversed = DemoAction(rawValue: label)?.reversed,
                let other = metrics.labels.firstIndex(of: reversed.rawValue)
            {
                right += metrics.confusion[index][other]
            }
        }
        return Double(right) / Double(metrics.count)
    }

    private func next(run: String) -> TerminalText {
        """
        Next:
          make evaluate RUN=\(run)
          make predict RUN=\(run) VIDEO=\(directory)/clips/test/grow/grow-00.mp4 ARGS='--gif grow.gif'
          make cam RUN=\(run) VIDEO=\(directory)/clips/test/multiply/multiply-00.mp4
          make query CACHE=\(directory)/features.sqlite SQL='SELECT * FROM class_accuracy'
          make sweep PIPELINE=\(path(of: "heads")) CACHE=\(directory)/features.sqlite RUNS=\(directory)/runs
          make tuned PIPELINE=\(path(of: "small-cnn")) CACHE=\(directory)/features.sqlite RUNS=\(directory)/runs
          make extract PIPELINE=my.yaml        # your own videos: see the README
        """
    }
}

import ArgumentParser
import Escaping
import Exploration
import FeatureCache
import Files
import Foundation
import PipelineFile
import Reports
import SequenceModels

// Options shared by several commands.

struct PipelineOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("A pipeline file (YAML).", valueName: "pipeline")) var file: String

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a key of the pipeline, such as sequence.epochs=10; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    /// - Throws: `PipelineError`.
    func read() throws -> Pipeline { try Pipeline(file: file, overrides: overrides) }
}

struct CacheOption: ParsableArguments {
    @Option(name: .customLong("cache"), help: "The SQLite file that holds features, runs and predictions.")
    var path = "features.sqlite"

    /// Checks before any work that the file can be written. Throws `OutputError`.
    func requireWritable() throws { try OutputPath.requireFile(path, "--cache") }
}

/// Selects features of a cache and the folder of their videos.
struct CollectionOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The SQLite file that holds the features.", valueName: "cache")) var path: String

    @Option(help: "Name of a recipe in the cache, or its backbone (default: the only one).") var recipe: String?

    @Option(help: "Name of a data set in the cache (default: the only one).") var dataset: String?

    @Option(help: "Folder of the data set's videos, for showing their frames (default: where `extract` found them).")
    var root: String?

    /// - Throws: `CacheError`, `ExplorationError`.
    func open() throws -> (CacheFile, CacheSelection) {
        let file = try CacheFile(path: path, create: false)
        return (file, try CacheSelection(file, recipe: recipe, dataset: dataset))
    }
}

/// Filters the clips that a command lists.
struct LabelOption: ParsableArguments {
    @Option(
        name: .customLong("label"),
        help: ArgumentHelp(
            "Only clips with this class or label; may be repeated for clips that have all of several labels.",
            valueName: "name"))
    var labels: [String] = []
}

struct WorkerOption: ParsableArguments {
    @Option(name: .customLong("workers"), help: "Number of videos processed in parallel (default: one per core).")
    var count = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        if count < 1 { throw ValidationError("--workers must be at least 1, not \(count).") }
    }
}

/// The backbone's weight file, for commands that apply a run to videos.
struct WeightsOption: ParsableArguments {
    @Option(
        name: .customLong("weights"), help: "The backbone's weight file, if it is not at the path stored with the run.")
    var path: String?
}

struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}

struct ReportOptions: ParsableArguments {
    @Option(
        name: .customLong("report"),
        help: ArgumentHelp(
            "Write a report with charts: an HTML file, or a folder with --format svg or png.", valueName: "file"))
    var path: String?

    @Option(help: "Format of the report: html, or only its charts as svg or png files.") var format = "html"

    func validate() throws {
        guard format == "html" || Gnuplot.Format(rawValue: format) != nil else {
            throw ValidationError("--format is html, svg or png, not '\(format)'.")
        }
        if format != "html" && path == nil { throw ValidationError("--format needs --report.") }
    }

    /// Checks before any work that the report can be written. Throws `OutputError`.
    func requireWritable() throws {
        if format == "html" {
            try OutputPath.requireFile(path, "--report")
        } else {
            try OutputPath.requireFolder(path, "--report")
        }
    }

    func write(_ make: () throws -> any Report) throws {
        guard let path else { return }
        let report = try make()
        if let format = Gnuplot.Format(rawValue: format) {
            for file in try report.write(charts: path, as: format) { Console.message("Chart: " + file) }
            return
        }
        if let problem = try report.write(html: path) { Console.message("note: the report has no charts. " + problem) }
        Console.message("Report: " + path)
    }
}

struct RunsOption: ParsableArguments {
    @Option(name: .customLong("runs"), help: "Folder that holds the runs.") var path = "runs"

    /// Checks before any work that runs can be written there. Throws `OutputError`.
    func requireWritable() throws { try OutputPath.requireFolder(path, "--runs") }
}

struct RunArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("A run's folder, such as runs/demo-gru.", valueName: "run")) var path: String

    var directory: RunDirectory { RunDirectory(path: path) }
}

/// Which of the run's recorded clips are evaluated.
struct SplitOption: ParsableArguments {
    @Option(
        name: .customLong("split"),
        help: """
            Split of the run to use: test, heldout (cross-validation), validation or train (default: the first that \
            exists).
            """) var name: String?

    var role: ClipRole? { name.flatMap(ClipRole.init) }

    func validate() throws {
        if let name, role == nil {
            throw ValidationError("--split is train, validation, test or heldout, not '\(name)'.")
        }
    }
}

struct UnknownClassesOption: ParsableArguments {
    @Flag(
        name: .customLong("known-classes"),
        help: """
            Leave out clips of classes without training clips, instead of counting them as wrong. With several labels \
            a clip, leave out the labels without training clips, not the clips.
            """)
    var leavesOut = false
}

struct PartialOption: ParsableArguments {
    @Flag(
        name: .customLong("partial"), help: "Train even if more than a tenth of the pipeline's clips have no features.")
    var isAllowed = false
}

/// Options of every command that trains a run.
struct TrainingOptions: ParsableArguments {
    @OptionGroup var cache: CacheOption
    @OptionGroup var runs: RunsOption

    @Option(help: "Name of the run (default: the pipeline's, with a number if it exists already).") var name: String?

    @Flag(
        help: """
            Resume the run of that name from its last checkpoint; the result is bit-identical to an uninterrupted run. \
            Without a checkpoint, training starts from the beginning.
            """) var resume = false

    @OptionGroup var resources: TrainingResources

    func validate() throws {
        if let name, !Escaping.canNameFile(name) {
            throw ValidationError("--name must be usable as a folder's name, not '\(name)'.")
        }
    }

    /// Checks before any work that the cache and the folder of runs can be written. Throws `OutputError`.
    func requireWritable() throws {
        try cache.requireWritable()
        try runs.requireWritable()
    }

    /// The run's name; nil derives a new one from the pipeline's.
    func wantedName(_ pipeline: Pipeline) -> String? { resume ? name ?? pipeline.name : name }
}

struct TrainingResources: ParsableArguments {
    @Option(help: "Number of threads (default: one per core). The result does not depend on it.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var memory: MemoryOption

    func validate() throws {
        if threads < 1 { throw ValidationError("--threads must be at least 1.") }
    }
}

struct MemoryOption: ParsableArguments {
    @Option(
        name: .customLong("memory"),
        help: """
            Memory for features, such as 4GB or 500MB (default: half of the machine's); larger feature sets are \
            streamed.
            """) var text: String?

    static let defaultBytes = Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)

    /// Maximum bytes of features in memory.
    var bytes: Int { text.flatMap(Self.parsed) ?? Self.defaultBytes }

    func validate() throws {
        if let text, Self.parsed(text) == nil {
            throw ValidationError("--memory is a number with KB, MB, GB or TB, such as 4GB, not '\(text)'.")
        }
    }

    private static func parsed(_ text: String) -> Int? {
        guard let match = text.uppercased().wholeMatch(of: /(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?/),
            let number = Double(match.1)
        else { return nil }
        let exponent = ["": 0, "K": 1, "M": 2, "G": 3, "T": 4][String(match.2)] ?? 0
        return Int(exactly: (number * pow(1024, Double(exponent))).rounded())
    }
}

import ArgumentParser
import Exploration
import FeatureCache
import Files
import Foundation
import Pipelines
import Reports

// What several commands ask for, declared once.

/// A pipeline file, and what one command changes in it.
struct PipelineOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("A pipeline file (YAML).", valueName: "pipeline"))
    var file: String

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Override a key of the pipeline, such as sequence.epochs=10; may be repeated.", valueName: "key=value"))
    var overrides: [String] = []

    /// - Throws: `PipelineError`.
    func read() throws -> Pipeline { try Pipeline(file: file, overrides: overrides) }
}

/// Where features are kept.
struct CacheOption: ParsableArguments {
    @Option(name: .customLong("cache"), help: "The SQLite file that holds features, runs and predictions.")
    var path = "features.sqlite"

    /// Throws unless the file can be written, before any work.
    ///
    /// - Throws: `OutputError`.
    func requireWritable() throws { try OutputPath.requireFile(path, "--cache") }
}

/// Which features of a cache are looked at, and where their videos are.
struct CollectionOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The SQLite file that holds the features.", valueName: "cache"))
    var path: String

    @Option(help: "Name of a recipe in the cache, or its backbone (default: the only one).")
    var recipe: String?

    @Option(help: "Name of a data set in the cache (default: the only one).")
    var dataset: String?

    @Option(
        help: "Folder of the data set's videos, where their frames are shown (default: where `extract` found them).")
    var root: String?

    /// - Throws: `CacheError`, `ExplorationError`.
    func open() throws -> (CacheFile, CacheSelection) {
        let file = try CacheFile(path: path, create: false)
        return (file, try CacheSelection(file, recipe: recipe, dataset: dataset))
    }
}

/// How many threads extract.
struct WorkerOption: ParsableArguments {
    @Option(name: .customLong("workers"), help: "Videos worked on at the same time (default: one a core).")
    var count = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        if count < 1 { throw ValidationError("--workers must be at least 1, not \(count).") }
    }
}

/// A backbone's parameters, for commands that use a run on videos.
struct WeightsOption: ParsableArguments {
    @Option(name: .customLong("weights"), help: "The backbone's weight file, where it is not where the run left it.")
    var path: String?
}

/// How a result is printed.
struct JSONOption: ParsableArguments {
    @Flag(help: "Print JSON.")
    var json = false
}

import ArgumentParser
import Exploration
import FeatureCache
import Files
import Foundation
import PipelineFile
import Reports

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

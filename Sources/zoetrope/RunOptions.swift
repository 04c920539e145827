import ArgumentParser
import Datasets
import Escaping
import FeatureCache
import Files
import Foundation
import Pipelines
import SequenceModels

/// Where runs are kept.
struct RunsOption: ParsableArguments {
    @Option(name: .customLong("runs"), help: "Folder that holds the runs.")
    var path = "runs"

    /// Throws unless runs can be written there, before any work.
    ///
    /// - Throws: `OutputError`.
    func requireWritable() throws { try OutputPath.requireFolder(path, "--runs") }
}

/// A run that is used.
struct RunArgument: ParsableArguments {
    @Argument(help: ArgumentHelp("A run's folder, such as runs/demo-gru.", valueName: "run"))
    var path: String

    var directory: RunDirectory { RunDirectory(path: path) }
}

/// Which clips a run is judged by, as the run recorded them.
struct SplitOption: ParsableArguments {
    @Option(
        name: .customLong("split"),
        help: "test, heldout (by folds), validation or train, as the run used them (default: the first that it has).")
    var name: String?

    var role: ClipRole? { name.flatMap(ClipRole.init) }

    func validate() throws {
        if let name, role == nil {
            throw ValidationError("--split is train, validation, test or heldout, not '\(name)'.")
        }
    }
}

/// What happens to clips of classes that no training clip has.
struct UnknownClassesOption: ParsableArguments {
    @Flag(
        name: .customLong("known-classes"),
        help: "Leave out clips of classes that training lacked, instead of counting them as wrong.")
    var leavesOut = false
}

/// Whether training on a part of the pipeline's clips is wanted.
struct PartialOption: ParsableArguments {
    @Flag(
        name: .customLong("partial"), help: "Train even if more than a tenth of the pipeline's clips have no features.")
    var isAllowed = false
}

/// What every command that trains a run asks for.
struct TrainingOptions: ParsableArguments {
    @OptionGroup var cache: CacheOption
    @OptionGroup var runs: RunsOption

    @Option(help: "Name of the run (default: the pipeline's, numbered where it is taken).")
    var name: String?

    @Flag(
        help: """
            Go on with the run of that name from its last checkpoint, to the bit as if it had never stopped; begin where \
            it has none.
            """)
    var resume = false

    @OptionGroup var resources: TrainingResources

    func validate() throws {
        if let name, !Escaping.canNameFile(name) {
            throw ValidationError("--name must be usable as a folder's name, not '\(name)'.")
        }
    }

    /// Throws unless the cache and the folder of runs can be written, before any work.
    ///
    /// - Throws: `OutputError`.
    func requireWritable() throws {
        try cache.requireWritable()
        try runs.requireWritable()
    }

    /// The run's name; nil for a new one after the pipeline's.
    func wantedName(_ pipeline: Pipeline) -> String? { resume ? name ?? pipeline.name : name }
}

/// How much of the machine training may take.
struct TrainingResources: ParsableArguments {
    @Option(help: "Threads that share the work (default: one a core). The result does not depend on it.")
    var threads: Int = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var memory: MemoryOption

    func validate() throws {
        if threads < 1 { throw ValidationError("--threads must be at least 1.") }
    }
}

/// How much memory features may take.
struct MemoryOption: ParsableArguments {
    @Option(
        name: .customLong("memory"),
        help: "Memory for features, such as 4GB or 500MB (default: half of the machine's); more is streamed.")
    var text: String?

    /// Half of the machine's memory.
    static let defaultBytes = Int(clamping: ProcessInfo.processInfo.physicalMemory / 2)

    /// Bytes that features may take.
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

import ArgumentParser
import Foundation

/// Where features are kept.
struct CacheOption: ParsableArguments {
    @Option(name: .customLong("cache"), help: "The SQLite file that holds features, runs and predictions.")
    var path = "features.sqlite"
}

/// How many threads extract.
struct WorkerOption: ParsableArguments {
    @Option(name: .customLong("workers"), help: "Videos worked on at the same time (default: one a core).")
    var count = ProcessInfo.processInfo.activeProcessorCount

    func validate() throws {
        if count < 1 { throw ValidationError("--workers must be at least 1, not \(count).") }
    }
}

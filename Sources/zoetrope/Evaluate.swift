import ArgumentParser
import Datasets
import FeatureCache
import Foundation
import Reports
import SequenceModels

/// Looks closely at a run.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Accuracy, top-k, classes and confusion of a run, from the cache.")

    @Argument(help: ArgumentHelp("A run's folder, such as runs/demo-gru.", valueName: "run"))
    var directory: String

    @Option(help: "train, validation or test (default: test where there is one, else validation).")
    var split: String?

    @Option(help: "Also report whether the true class is among the K most probable.")
    var top = 5

    @Option(name: .customLong("cache"), help: "The cache, where it is not where the run left it.")
    var cachePath: String?

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if let split, Split(rawValue: split) == nil {
            throw ValidationError("--split is train, validation or test, not '\(split)'.")
        }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
    }

    func run() throws {
        try Console.perform {
            let evaluated = try RunEvaluation(
                RunDirectory(path: directory), split: split.flatMap(Split.init), cache: cachePath)
            let metrics = evaluated.metrics
            if json {
                print(try metrics.json(run: directory, split: evaluated.split.rawValue, top: top))
                return
            }
            print("\(directory), split \(evaluated.split.rawValue)\n")
            print(metrics.summary(top: Set([3, top]).sorted()))
            print("\n" + metrics.perClassTable)
            print("\n" + metrics.confusionTable)
        }
    }
}

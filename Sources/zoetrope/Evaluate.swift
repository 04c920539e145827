import ArgumentParser
import Datasets
import FeatureCache
import Foundation
import Reports
import SequenceModels

/// Looks closely at a run.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Accuracy, top-k, classes and confusion of a run, from the cache; as text, JSON or a report with charts.",
        discussion: """
            The report is one HTML file with curves, confusion, calibration and the most confident mistakes with their \
            frames. Charts need gnuplot, frames need the videos; without them the report says so and holds the rest.
            """)

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

    @OptionGroup var report: ReportOptions

    @Option(help: "The data set's folder, where training did not find it there: for the report's frames.")
    var root: String?

    @Flag(help: "Join clips of different classes to long sequences, slide the window over them, and see how that goes.")
    var continuous = false

    @Option(help: "With --continuous: how many long sequences.")
    var sequences = 100

    @Option(help: "With --continuous: clips in each.")
    var clips = 16

    @Option(help: "With --continuous: seed of the choice of clips.")
    var seed = 42

    func validate() throws {
        if let split, Split(rawValue: split) == nil {
            throw ValidationError("--split is train, validation or test, not '\(split)'.")
        }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if sequences < 1 || clips < 2 {
            throw ValidationError("--continuous needs at least 1 sequence (--sequences) of 2 clips (--clips).")
        }
    }

    func run() throws {
        try Console.perform {
            let evaluated = try RunEvaluation(
                RunDirectory(path: directory), split: split.flatMap(Split.init), cache: cachePath)
            let joined = try continuous ? join(evaluated) : nil
            if json {
                print(
                    try joined?.json()
                        ?? evaluated.metrics.json(
                            run: directory, split: evaluated.split.rawValue, top: top, scores: evaluated.scores,
                            interval: evaluated.interval))
            } else {
                print("\(directory), split \(evaluated.split.rawValue)\n")
                if let joined { print(joined.text) } else { show(evaluated) }
            }
            try report.write {
                try RunReport(
                    RunDirectory(path: directory), split: evaluated.split, cache: cachePath, root: root,
                    continuous: joined)
            }
        }
    }

    private func show(_ evaluated: RunEvaluation) {
        let metrics = evaluated.metrics
        print(
            metrics.summary(top: Set([3, top]).sorted(), scores: evaluated.scores, interval: evaluated.interval))
        print("\n" + metrics.perClassTable)
        print("\n" + metrics.confusionTable)
    }

    private func join(_ evaluated: RunEvaluation) throws -> ContinuousEvaluation {
        var options = ContinuousEvaluation.Options()
        (options.sequences, options.clips, options.seed) = (sequences, clips, seed)
        return try ContinuousEvaluation(evaluated.head, evaluated.features, evaluated.indices, options)
    }
}

import ArgumentParser
import Datasets
import Reports
import SequenceModels

/// Runs side by side.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs side by side on the same clips: accuracy, intervals, tests, classes, time.",
        discussion: """
            Intervals are 95 % (Wilson's); clips cut from one video count together. Each run is tested \
            against the first by McNemar's exact test. Runs that differ in their seed alone are summed up as mean and \
            deviation.
            """)

    @Argument(help: ArgumentHelp("Folders of runs; the first is the one to beat.", valueName: "run"))
    var directories: [String]

    @Option(help: "train, validation or test (default: test where there is one, else validation).")
    var split: String?

    @Option(name: .customLong("cache"), help: "The cache, where it is not where the runs left it.")
    var cachePath: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if directories.isEmpty { throw ValidationError("Name at least one run.") }
        if let split, Split(rawValue: split) == nil {
            throw ValidationError("--split is train, validation or test, not '\(split)'.")
        }
    }

    func run() throws {
        try Console.perform {
            let comparison = try Comparison(
                directories.map(RunDirectory.init), split: split.flatMap(Split.init), cache: cachePath)
            print(json ? try comparison.json() : comparison.text)
            try report.write {
                try ComparisonReport(
                    directories.map(RunDirectory.init), split: split.flatMap(Split.init), cache: cachePath)
            }
        }
    }
}

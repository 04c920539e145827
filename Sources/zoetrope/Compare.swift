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
            against the first by McNemar's exact test. Runs that differ in nothing but their seed, and learn from the same clips, are summed up \
            as mean and standard deviation.
            """)

    @Argument(help: ArgumentHelp("Folders of runs; the first is the one to beat.", valueName: "run"))
    var directories: [String]

    @OptionGroup var part: SplitOption

    @Option(name: .customLong("cache"), help: "The cache, where it is not where the runs left it.")
    var cachePath: String?

    @OptionGroup var format: JSONOption

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if directories.isEmpty { throw ValidationError("Name at least one run.") }
    }

    func run() throws {
        try Console.perform {
            try report.requireWritable()
            let comparison = try Comparison(
                directories.map(RunDirectory.init), role: part.role, cache: cachePath)
            if format.json {
                Console.print(json: try comparison.json())
            } else {
                Console.print(lines: comparison.text)
            }
            try report.write {
                try ComparisonReport(
                    directories.map(RunDirectory.init), role: part.role, cache: cachePath)
            }
        }
    }
}

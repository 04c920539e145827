import ArgumentParser
import Reports
import SequenceModels

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Compare runs on the same clips: accuracy or mean average precision, intervals, tests, classes, time.",
        discussion: """
            Intervals are 95 % Wilson intervals with the effective sample size: clips of one source count together. \
            Each run is compared with the first by McNemar's exact test. With several labels a clip, intervals and \
            tests of the mean average precision are by bootstrap over sources. Runs that differ only in their seed and \
            were trained on the same clips are summarised as mean and standard deviation.
            """)

    @Argument(help: ArgumentHelp("Folders of runs; the first is the baseline.", valueName: "run"))
    var directories: [String]

    @OptionGroup var part: SplitOption

    @Option(name: .customLong("cache"), help: "The cache, if it is not at the path stored with the runs.")
    var cachePath: String?

    @OptionGroup var format: JSONOption

    @OptionGroup var report: ReportOptions

    func run() throws {
        try Console.perform {
            try report.requireWritable()
            let comparison = try Comparison(directories.map(RunDirectory.init), role: part.role, cache: cachePath)
            if format.json { Console.print(json: try comparison.json()) } else { Console.print(lines: comparison.text) }
            try report.write {
                try ComparisonReport(directories.map(RunDirectory.init), role: part.role, cache: cachePath)
            }
        }
    }
}

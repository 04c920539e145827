import ArgumentParser
import Exploration
import FeatureCache
import Files
import Foundation
import Workflows
import Reports
import SequenceModels

struct Explore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a page about a collection: a map of its clips, near-duplicates, suspected label errors and "
            + "outliers.",
        discussion: """
            All analyses use the cached features; videos are opened only to show their frames. The page is one \
            self-contained HTML file. Labels are checked by a linear head that was not trained on the clip, or by a \
            run's held-out predictions.
            """)

    @OptionGroup var collection: CollectionOptions

    @Option(
        name: .customLong("run"),
        help: ArgumentHelp(
            "A run whose held-out predictions check the labels; preferably one trained with --folds.",
            valueName: "folder")) var directory: String?

    @Option(help: ArgumentHelp("The HTML file to write.", valueName: "file")) var output = "explore.html"

    @Option(
        name: [.customLong("label-errors"), .customLong("doubtful")],
        help: ArgumentHelp(
            "Also write the clips with suspected label errors as CSV, for `dataset.exclude`.", valueName: "file"))
    var labelErrors: String?

    @Flag(help: "Map single frames instead of clips, and leave out the lists.") var frames = false

    @Option(help: "Maximum number of clips whose frames are embedded in the page.") var strips = 2000

    @OptionGroup var workers: WorkerOption

    func validate() throws {
        if frames, labelErrors != nil {
            throw ValidationError("--label-errors lists clips, so it cannot be combined with --frames.")
        }
        if strips < 0 { throw ValidationError("--strips must be at least 0.") }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(output, "--output")
            try OutputPath.requireFile(labelErrors, "--label-errors")
            let (file, selection) = try collection.open()
            var builder = try CollectionReportBuilder(file, selection, root: collection.root)
            (builder.workers, builder.strips, builder.showsFrames) = (workers.count, strips, frames)
            let line = ProgressLine()
            let findings = try builder.findings(
                run: directory.map(RunDirectory.init), memory: MemoryOption.defaultBytes
            ) { what, done, total in line.step(what, done, of: total) }
            line.clear()
            for note in findings.notes { Console.message("note: " + note) }
            if !frames {
                let nearDuplicates = findings.nearDuplicates.map { "\(counted($0, "near-duplicate pair")), " } ?? ""
                let errors = counted(
                    findings.labelErrors.count + findings.suspectedLabels.count, "suspected label error")
                Console.print("\(nearDuplicates)\(errors), \(counted(findings.outliers, "outlier"))")
            }
            _ = try findings.report.write(html: output)
            Console.message("Page: " + output)
            if let labelErrors {
                try table(findings).write(toFile: labelErrors, atomically: true, encoding: .utf8)
                Console.message("List: " + labelErrors)
            }
        }
    }

    /// The suspected label errors as CSV; of clips with several labels, a row for each clip and label.
    private func table(_ findings: CollectionReportBuilder.Findings) -> String {
        switch findings.task {
        case .classification:
            CSV.text(
                ["path", "label", "perhaps", "score"],
                findings.labelErrors.map { [$0.path, $0.label, $0.suggested, decimal($0.score, 4)] })
        case .multilabel:
            CSV.text(
                ["path", "label", "suspected", "probability", "neighbours", "score"],
                findings.suspectedLabels.map { path, entry in
                    [path, entry.label, entry.isMissing ? "missing" : "wrong"]
                        + [entry.probability, entry.neighborShare, entry.score].map { decimal($0, 4) }
                })
        }
    }
}

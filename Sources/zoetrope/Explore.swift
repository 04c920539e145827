import ArgumentParser
import Exploration
import FeatureCache
import Files
import Foundation
import Pipelines
import Reports
import SequenceModels

/// Looks at a collection.
struct Explore: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A collection as one page: a map of its clips, twins, doubtful labels and odd ones.",
        discussion: """
            Everything comes from the cached features; videos are opened only for their frames. The page is one HTML file \
            that works offline. Labels are checked by a linear head that never saw the clip, or by a run's held-out \
            predictions.
            """)

    @OptionGroup var collection: CollectionOptions

    @Option(
        name: .customLong("run"),
        help: ArgumentHelp("A run whose held-out predictions are used, best one with --folds.", valueName: "folder"))
    var directory: String?

    @Option(help: ArgumentHelp("Where the page is written.", valueName: "file"))
    var output = "explore.html"

    @Option(
        help: ArgumentHelp(
            "Also write the clips with doubtful labels as CSV, which `dataset.exclude` takes.", valueName: "file"))
    var doubtful: String?

    @Flag(help: "Map single frames instead of clips, without the lists.")
    var frames = false

    @Option(help: "At most so many clips have their frames in the page.")
    var strips = 2000

    @OptionGroup var workers: WorkerOption

    func validate() throws {
        if frames, doubtful != nil { throw ValidationError("--doubtful is about clips, without --frames.") }
        if strips < 0 { throw ValidationError("--strips must be at least 0.") }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(output, "--output")
            try OutputPath.requireFile(doubtful, "--doubtful")
            let (file, selection) = try collection.open()
            var exploring = try Exploring(file, selection, root: collection.root)
            (exploring.workers, exploring.strips, exploring.showsFrames) = (workers.count, strips, frames)
            let line = ProgressLine()
            let findings = try exploring.findings(
                run: directory.map(RunDirectory.init), memory: MemoryOption.defaultBytes
            ) { what, done, total in
                line.step(what, done, of: total)
            }
            line.clear()
            for note in findings.notes { Console.message("note: " + note) }
            if !frames {
                Console.print(
                    "\(findings.twins.map { "\(grouped($0)) twins, " } ?? "")"
                        + "\(grouped(findings.doubtful.count)) doubtful labels, \(grouped(findings.odd)) odd clips")
            }
            _ = try findings.report.write(html: output)
            Console.message("Page: " + output)
            if let doubtful {
                try Self.csv(findings).write(toFile: doubtful, atomically: true, encoding: .utf8)
                Console.message("List: " + doubtful)
            }
        }
    }

    private static func csv(_ findings: Exploring.Findings) -> String {
        CSV.text(
            ["path", "label", "perhaps", "score"],
            findings.doubtful.map { [$0.path, $0.label, $0.suggested, decimal($0.score, 4)] })
    }
}

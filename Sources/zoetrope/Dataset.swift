import ArgumentParser
import Datasets
import Extraction
import Pipelines
import Reports

/// Looks at a data set before it is extracted.
struct Dataset: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Classes, counts of each split, and problems: missing files, classes in one split only, duplicates.")

    @Argument(help: "A pipeline file (YAML).")
    var pipeline: String

    @OptionGroup var workers: WorkerOption

    @Option(
        help:
            "Also write the clips' digests to this file, for `extract --shard`; unchanged clips in it are not read again."
    )
    var digests: String?

    @Option(name: .customLong("set"), help: "Override a key of the pipeline, such as dataset.split=2.")
    var overrides: [String] = []

    func run() throws {
        try Console.perform {
            let dataset = try Pipeline(file: pipeline, overrides: overrides).dataset
            let line = ProgressLine()
            let known = try digests.map { try DigestList(path: $0) } ?? DigestList()
            let check = try DatasetCheck(dataset, workers: workers.count, known: known) { done, total in
                line.show("reading   " + ProgressLine.bar(done, of: total))
            }
            line.clear()
            print(Self.text(check, name: dataset.name))
            if let digests { try check.digests.write(to: digests) }
            if !check.unreadable.isEmpty { throw Console.someFailed }
        }
    }

    private static func text(_ check: DatasetCheck, name: String) -> String {
        var table = TextTable([("class", .left)] + Split.allCases.map { (heading: $0.rawValue, alignment: .right) })
        var totals: [Split: Int] = [:]
        for (label, counts) in check.counts.sorted(by: { $0.key < $1.key }) {
            table.append([label] + Split.allCases.map { counts[$0].map(grouped) ?? "–" })
            totals.merge(counts, uniquingKeysWith: +)
        }
        table.append(["total, \(check.counts.count) classes"] + Split.allCases.map { grouped(totals[$0] ?? 0) })
        var parts = ["\(name)\n\(table.text)"]
        parts += list("cannot be read", check.unreadable.map(\.reason))
        parts += list(
            "classes in one split only", check.onlyInOneSplit.map { "\($0.label): not in \($0.missing.rawValue)" })
        let leaks = check.leaks
        parts += list("clips both trained on and tested (same bytes in different splits)", leaks.map(paths))
        parts += list(
            "duplicates within a split", check.duplicates.filter { Set($0.map(\.split)).count == 1 }.map(paths))
        if check.isClean { parts.append("No problems found.") }
        return parts.joined(separator: "\n\n")
    }

    private static func paths(_ clips: [Clip]) -> String {
        clips.map { "\($0.path) (\($0.split.rawValue))" }.joined(separator: " = ")
    }

    /// A heading with the count and the first few lines, or nothing.
    private static func list(_ heading: String, _ lines: [String]) -> [String] {
        guard !lines.isEmpty else { return [] }
        let rest = lines.count > 20 ? ["  … and \(grouped(lines.count - 20)) more"] : []
        return [
            (["\(grouped(lines.count)) \(heading):"] + lines.prefix(20).map { "  " + $0 } + rest).joined(
                separator: "\n")
        ]
    }
}

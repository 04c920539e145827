import ArgumentParser
import Escaping
import FeatureCache
import Foundation
import Reports

struct Runs: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the runs of a cache: head, data set, accuracy, time; sorted and filtered.")

    @OptionGroup var cache: CacheOption

    @Option(
        help: ArgumentHelp(
            "Sort by name, started, validation-loss, validation-accuracy, test-accuracy, validation-map, test-map or "
                + "seconds; best first."))
    var sort = Order.started

    @Option(
        name: .customLong("where"),
        help: "Only runs whose column contains the text, such as model=gru or state=finished; may be repeated.")
    var filters: [String] = []

    @OptionGroup var format: JSONOption

    enum Order: String, ExpressibleByArgument, CaseIterable {
        case name, started, seconds
        case validationLoss = "validation-loss"
        case validationAccuracy = "validation-accuracy"
        case testAccuracy = "test-accuracy"
        case validationMAP = "validation-map"
        case testMAP = "test-map"
    }

    private static let columns: [String: @Sendable (RunSummary) -> String] = [
        "name": \.name, "model": \.model, "dataset": \.dataset, "backbone": \.backbone, "state": \.state,
        "seed": { "\($0.seed)" }, "started": \.startedAt,
    ]

    func validate() throws {
        for filter in filters {
            let parts = filter.splitBytes("=", maxSplits: 1)
            guard parts.count == 2, Self.columns[String(parts[0])] != nil else {
                let known = Self.columns.keys.sorted().joined(separator: ", ")
                throw ValidationError("--where is column=text with one of \(known), not '\(filter)'.")
            }
        }
    }

    func run() throws {
        try Console.perform {
            let cache = try CacheFile(path: cache.path, create: false)
            let runs = sorted(try cache.runs().filter(isWanted))
            if format.json {
                Console.print(json: try JSONText.of(runs))
            } else {
                Console.print(lines: runs.isEmpty ? "No runs." : Self.table(runs))
            }
            let unknown = try cache.runsWithoutMembers()
            if !unknown.isEmpty {
                Console.message(
                    "note: \(counted(unknown.count, "run")) of an older version did not store the clips that trained "
                        + "\(unknown.count == 1 ? "it" : "them"), so `evaluate` cannot compute their metrics: "
                        + "\(unknown.prefix(8).joined(separator: ", "))\(unknown.count > 8 ? ", …" : ""). Train again "
                        + "with `zoetrope sequence`.")
            }
        }
    }

    private func isWanted(_ run: RunSummary) -> Bool {
        filters.allSatisfy { filter in
            let parts = filter.splitBytes("=", maxSplits: 1).map(String.init)
            return Self.columns[parts[0]]?(run).localizedCaseInsensitiveContains(parts[1]) ?? false
        }
    }

    private func sorted(_ runs: [RunSummary]) -> [RunSummary] {
        switch sort {
        case .started: runs
        case .name: runs.sorted { $0.name.compare($1.name, options: .numeric) == .orderedAscending }
        case .seconds: runs.sorted { $0.seconds < $1.seconds }
        case .validationLoss: ranked(runs) { -($0.validationLoss ?? .infinity) }
        case .validationAccuracy: ranked(runs) { $0.validationAccuracy ?? -1 }
        case .testAccuracy: ranked(runs) { $0.testAccuracy ?? -1 }
        case .validationMAP: ranked(runs) { $0.validationMAP ?? -1 }
        case .testMAP: ranked(runs) { $0.testMAP ?? -1 }
        }
    }

    /// Highest first; diverged runs are last.
    private func ranked(_ runs: [RunSummary], by value: (RunSummary) -> Double) -> [RunSummary] {
        runs.sorted { first, second in
            let isLast = [first, second].map { $0.state == RunState.diverged.rawValue }
            return isLast[0] == isLast[1] ? value(first) > value(second) : isLast[1]
        }
    }

    /// The accuracy of one class a clip, or the mean average precision of several labels.
    private static func score(_ precision: Double?, _ accuracy: Double?, _ run: RunSummary) -> String {
        run.task == .multilabel ? precision.map { "mAP " + percent($0) } ?? "–" : accuracy.map(percent) ?? "–"
    }

    private static func table(_ runs: [RunSummary]) -> String {
        var table = TextTable([
            ("run", .left), ("head", .left), ("dataset", .left), ("backbone", .left), ("seed", .right),
            ("state", .left), ("epochs", .right), ("seconds", .right), ("validation loss", .right),
            ("validation", .right), ("test", .right),
        ])
        for run in runs {
            table.append([
                run.name, run.model, run.dataset, run.backbone, "\(run.seed)", run.state, "\(run.epochs)",
                decimal(run.seconds, 1), run.validationLoss.map { decimal($0, 4) } ?? "–",
                Self.score(run.validationMAP, run.validationAccuracy, run),
                Self.score(run.testMAP, run.testAccuracy, run),
            ])
        }
        return table.text
    }
}

import ArgumentParser
import Datasets
import Escaping
import FeatureCache
import Foundation
import PipelineFile
import Workflows
import Reports
import SequenceModels

struct Sweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Hyper-parameter sweep: train a grid or a random sample of settings in parallel; select on validation.",
        discussion: """
            The pipeline's `sweep` section lists keys and their values. Finished runs are not trained again, so an \
            interrupted sweep resumes. Results are also written as CSV, one line per run.
            """)

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var cache: CacheOption
    @OptionGroup var runs: RunsOption

    @Option(help: "Number of runs trained in parallel (default: one per core).")
    var workers = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var memory: MemoryOption
    @OptionGroup var partial: PartialOption
    @OptionGroup var unknown: UnknownClassesOption

    @Option(
        help: ArgumentHelp(
            "Nested cross-validation with this many folds: select inside the training folds and report the accuracy of "
                + "the outer folds; no run is kept.", valueName: "parts")) var folds: Int?

    @OptionGroup var format: JSONOption

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if workers < 1 { throw ValidationError("--workers must be at least 1.") }
        if let folds, folds < 2 { throw ValidationError("--folds must be at least 2.") }
        if folds != nil, report.path != nil { throw ValidationError("--report is for a sweep without --folds.") }
    }

    func run() throws {
        try Console.perform {
            if folds == nil { try runs.requireWritable() }
            try report.requireWritable()
            let plan = try SweepPlan(file: pipeline.file, overrides: pipeline.overrides)
            let cache = try CacheFile(path: cache.path, create: false)
            var sweep = try SweepRun(
                plan, file: pipeline.file, cache: cache, runs: runs.path, version: ZoetropeCommand.version)
            (sweep.workers, sweep.memory, sweep.allowsPartial) = (workers, memory.bytes, partial.isAllowed)
            sweep.leavesOutUnknown = unknown.leavesOut
            if let folds { return try nest(sweep, folds: folds) }
            let line = ProgressLine()
            let result = try Console.interruptible { isCancelled in
                try sweep.run(isCancelled: isCancelled) { show($0, plan, line) }
            }
            line.clear()
            // Earlier results of a sweep are kept if all points fail now.
            if !result.outcomes.isEmpty, result.outcomes.allSatisfy({ $0.failure != nil }) {
                for outcome in result.outcomes { Console.message("\(outcome.name): \(outcome.failure ?? "")") }
                Console.message("No run could be trained, so no run is selected and no table is written.")
                throw Console.someFailed
            }
            let path = try sweep.writeTable(result)
            try show(sweep, result, path)
            try report.write { try page(plan, result) }
            if result.wasCancelled {
                Console.message("Interrupted. Run the same command again to resume.")
                throw Console.interrupted
            }
        }
    }

    private func show(_ event: SweepRun.Event, _ plan: SweepPlan, _ line: ProgressLine) {
        switch event {
        case .features(let event): TrainSequence.show(event, line)
        case .prepared(let models):
            Console.message("\(counted(models, "run")) over \(plan.keys.joined(separator: ", "))")
        case .point(let done, let outcome):
            let loss = outcome.validationLoss.map { decimal($0, 4) } ?? outcome.failure ?? "–"
            line.step("runs", done, of: plan.points.count, "  \(outcome.name)  validation \(loss)")
        case .model(let done, let total): line.step("models", done, of: total)
        }
    }

    private func nest(_ sweep: SweepRun, folds: Int) throws {
        let plan = sweep.plan
        let task = plan.task
        let line = ProgressLine()
        let nested = try Console.interruptible { isCancelled in
            try sweep.nested(folds: folds, isCancelled: isCancelled) { show($0, plan, line) }
        }
        line.clear()
        guard let nested else { throw Console.interrupted }
        if format.json { return Console.print(json: try JSONText.of(nested.choices, keys: .convertToSnakeCase)) }
        var table = TextTable(
            [("fold", .right)] + plan.keys.map { (heading: Self.short($0), alignment: .left) } + [
                ("inner validation loss", .right), ("held-out \(task.shortScoreName)", .right),
            ])
        for choice in nested.choices {
            table.append(
                ["\(choice.fold)"] + choice.values + [decimal(choice.validationLoss, 4), percent(choice.score)])
        }
        let (mean, standardDeviation) = nested.result.summary.score
        Console.print(
            """
            \(plan.points[0].pipeline.name): the selection of each outer fold among \
            \(counted(plan.points.count, "setting"))
            \(lines: table.text)

            \(task == .multilabel ? "Mean average precision" : "Accuracy") of this selection on held-out clips: \
            \(percent(nested.result.metrics.score)) (95 %: \
            \(percent(nested.result.interval))), \(percent(mean)) ± \(percent(standardDeviation ?? 0)) over the folds.
            """)
    }

    private func show(_ sweep: SweepRun, _ result: SweepRun.Result, _ path: String) throws {
        if format.json { return Console.print(json: try JSONText.of(result.outcomes, keys: .convertToSnakeCase)) }
        Console.print(lines: table(sweep.plan, result))
        for outcome in result.outcomes {
            if let failure = outcome.failure { Console.print("\(outcome.name): \(failure)") }
            if let warning = outcome.warning { Console.print("\(outcome.name): warning: \(warning)") }
        }
        if let best = result.best {
            Console.print(
                "\nBest on validation: \(best.name)"
                    + (best.testScore.map { ", test \(sweep.plan.task.scoreName) " + percent($0) } ?? ""))
        }
        if let note = try sweep.differentClips(result) { Console.print("note: \(note)") }
        if result.best == nil {
            Console.print(
                result.outcomes.contains { !$0.diverged }
                    ? "\nNo run is selected: no run has a validation part."
                    : "\nNo run is selected: all runs diverged.")
        }
        if let directories = compared(result) {
            Console.print(lines: "\n" + (try Comparison(directories, cache: cache.path)).text)
        }
        Console.print("\nAs a table for plots: \(path)")
    }

    private func page(_ plan: SweepPlan, _ result: SweepRun.Result) throws -> SweepReport {
        SweepReport(
            name: plan.points[0].pipeline.name, keys: plan.keys, points: result.outcomes, best: result.best?.name,
            comparison: try compared(result).map { try ComparisonReport($0, cache: cache.path) })
    }

    /// The trained runs; nil unless there are 2 to 24, which a comparison can show.
    private func compared(_ result: SweepRun.Result) -> [RunDirectory]? {
        let trained = result.outcomes.filter { $0.failure == nil }
        return (2...24).contains(trained.count) ? trained.map { RunDirectory(path: runs.path + "/" + $0.name) } : nil
    }

    private func table(_ plan: SweepPlan, _ result: SweepRun.Result) -> String {
        var table = TextTable(
            [("run", .left)] + plan.keys.map { (heading: Self.short($0), alignment: .left) } + [
                ("epoch", .right), ("validation loss", .right),
                (plan.task == .multilabel ? "validation mAP" : "validation", .right),
                (plan.task == .multilabel ? "test mAP" : "test", .right),
            ])
        let byMAP = plan.points[0].pipeline.training?.earlyStopping?.monitor == .validationMAP
        func cost(_ point: SweepRun.Outcome) -> Double {
            byMAP ? -(point.validationMAP ?? -.infinity) : point.validationLoss ?? .infinity
        }
        let ranked = result.outcomes.sorted { first, second in
            first.diverged == second.diverged ? cost(first) < cost(second) : second.diverged
        }
        for outcome in ranked {
            table.append(
                [outcome.name + (outcome.diverged ? " (diverged)" : "")] + outcome.values + [
                    "\(outcome.bestEpoch)", outcome.validationLoss.map { decimal($0, 4) } ?? "–",
                    outcome.validationScore.map(percent) ?? "–", outcome.testScore.map(percent) ?? "–",
                ])
        }
        return table.text
    }

    private static func short(_ key: String) -> String { key.splitBytes(".").last.map(String.init) ?? key }
}

extension SweepPlan {
    fileprivate var task: DatasetConfiguration.Task { points[0].pipeline.dataset.task }
}

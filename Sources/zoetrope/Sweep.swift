import ArgumentParser
import Escaping
import FeatureCache
import Foundation
import Pipelines
import Reports
import SequenceModels

/// `sweep`: many runs of one pipeline.
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

    @Option(
        help: ArgumentHelp(
            "Nested cross-validation with this many folds: select inside the training folds and report the accuracy of the outer folds; no run is kept.",
            valueName: "parts"))
    var folds: Int?

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
            var plan = try SweepPlan(file: pipeline.file, overrides: pipeline.overrides)
            try plan.points[0].pipeline.requireOneSplit(file: pipeline.file)
            let cache = try CacheFile(path: cache.path, create: false)
            let extraction = try TrainSequence.extraction(of: plan.points[0].pipeline, file: pipeline.file, in: cache)
            for index in plan.points.indices {
                try plan.points[index].pipeline.readTexts(of: extraction.record, in: cache)
            }
            let missing = try TrainSequence.checkCoverage(
                plan.points[0].pipeline, cache, extraction.id, allowsPartial: partial.isAllowed)
            let first = plan.points[0].pipeline
            try TestPart.check(
                first.dataset, cache, isCrossValidated: folds != nil || first.training?.folds != nil)
            if let folds { return try nest(plan, folds: folds, cache, extraction) }
            var sweep = SweepRun(
                plan: plan, runs: runs.path, version: ZoetropeCommand.version, workers: workers,
                memory: memory.bytes)
            sweep.missing = missing
            Interruption.install()
            Console.message("\(counted(plan.points.count, "run")) over \(plan.keys.joined(separator: ", "))")
            let line = ProgressLine()
            let result = try sweep.run(
                cache: cache, extraction: extraction, isCancelled: { Interruption.isRequested }
            ) { done, outcome in
                let loss = outcome.validationLoss.map { decimal($0, 4) } ?? outcome.failure ?? "–"
                line.step("runs", done, of: plan.points.count, "  \(outcome.name)  validation \(loss)")
            }
            line.clear()
            // Earlier results of a sweep are kept if all points fail now.
            if !result.outcomes.isEmpty, result.outcomes.allSatisfy({ $0.failure != nil }) {
                for outcome in result.outcomes { Console.message("\(outcome.name): \(outcome.failure ?? "")") }
                Console.message("No run could be trained, so no run is selected and no table is written.")
                throw Console.someFailed
            }
            try FileManager.default.createDirectory(atPath: runs.path, withIntermediateDirectories: true)
            let path = "\(runs.path)/\(plan.points[0].pipeline.name)-sweep.csv"
            try csv(plan, result).write(toFile: path, atomically: true, encoding: .utf8)
            try show(plan, result, path)
            try report.write { try page(plan, result) }
            if result.wasCancelled {
                Console.message("Interrupted. Run the same command again to resume.")
                throw Console.interrupted
            }
        }
    }

    private func nest(
        _ plan: SweepPlan, folds: Int, _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord)
    ) throws {
        let first = plan.points[0].pipeline
        guard let training = first.training else { return }
        let features = try SequenceRun.load(
            cache, first.dataset, extraction: extraction,
            views: plan.points.compactMap { $0.pipeline.training?.views }.max() ?? 1, memory: memory.bytes,
            overlapping: true)
        let validation = try CrossValidation(
            training, folds: folds, repeats: 1, features: features,
            input: .init(shape: extraction.record.featureShape, maximumLength: extraction.record.maxFrames))
        Interruption.install()
        let line = ProgressLine()
        let nested = try NestedSweep(plan, validation, workers: workers, isCancelled: { Interruption.isRequested }) {
            line.step("models", $0, of: $1)
        }
        line.clear()
        guard let nested else { throw Console.interrupted }
        if format.json {
            return Console.print(json: try JSONText.of(nested.choices))
        }
        var table = TextTable(
            [("fold", .right)] + plan.keys.map { (heading: Self.short($0), alignment: .left) } + [
                ("inner validation loss", .right), ("held-out accuracy", .right),
            ])
        for choice in nested.choices {
            table.append(
                ["\(choice.fold)"] + choice.values + [decimal(choice.validationLoss, 4), percent(choice.accuracy)])
        }
        let (mean, deviation) = nested.result.summary.accuracy
        Console.print(
            """
            \(first.name): the selection of each outer fold among \(counted(plan.points.count, "setting"))
            \(lines: table.text)

            Accuracy of this selection on held-out clips: \(percent(nested.result.metrics.accuracy)) (95 %: \
            \(percent(nested.result.interval.lower)) to \(percent(nested.result.interval.upper))), \(percent(mean)) ± \
            \(percent(deviation ?? 0)) over the folds.
            """)
    }

    private func show(_ plan: SweepPlan, _ result: SweepRun.Result, _ path: String) throws {
        if format.json {
            Console.print(json: try JSONText.of(result.outcomes))
            return
        }
        Console.print(lines: table(plan, result))
        for outcome in result.outcomes {
            if let failure = outcome.failure { Console.print("\(outcome.name): \(failure)") }
            if let warning = outcome.warning { Console.print("\(outcome.name): warning: \(warning)") }
        }
        if let best = result.best {
            Console.print(
                "\nBest on validation: \(best.name)"
                    + (best.testAccuracy.map { ", test accuracy " + percent($0) } ?? ""))
        }
        if let note = try differentClips(result) { Console.print("note: \(note)") }
        if result.best == nil {
            Console.print(
                result.outcomes.contains { !$0.diverged }
                    ? "\nNo run is selected: no run has a validation part."
                    : "\nNo run is selected: all runs diverged.")
        }
        let trained = result.outcomes.filter { $0.failure == nil }
        if trained.count > 1, trained.count <= Self.compared {
            let directories = trained.map { RunDirectory(path: runs.path + "/" + $0.name) }
            Console.print(lines: "\n" + (try Comparison(directories, cache: cache.path)).text)
        }
        Console.print("\nAs a table for plots: \(path)")
    }

    /// A warning if points were trained or tested on different clips, as after a change of the data set between two
    /// invocations.
    private func differentClips(_ result: SweepRun.Result) throws -> String? {
        let cache = try CacheFile(path: cache.path, create: false)
        let used = try result.outcomes.filter { $0.failure == nil }.map { outcome -> Set<String> in
            let directory = RunDirectory(path: runs.path + "/" + outcome.name)
            let clips = try RunClips(directory, directory.load().configuration, in: cache)
            return Set(clips.pool.map { "pool " + $0 } + clips.digests(.test).map { "test " + $0 })
        }
        guard Set(used).count > 1 else { return nil }
        return
            "the data set changed between the runs, so they were trained or tested on different clips and cannot be ranked. "
            + "Train all of them again under another name: --set name=NAME."
    }

    private func page(_ plan: SweepPlan, _ result: SweepRun.Result) throws -> SweepReport {
        let trained = result.outcomes.filter { $0.failure == nil }
        let isComparable = trained.count > 1 && trained.count <= Self.compared
        return SweepReport(
            name: plan.points[0].pipeline.name, keys: plan.keys,
            points: result.outcomes.map {
                SweepReport.Point(
                    name: $0.name, values: $0.values, validationAccuracy: $0.validationAccuracy,
                    testAccuracy: $0.testAccuracy, diverged: $0.diverged)
            },
            best: result.best?.name,
            comparison: isComparable
                ? try ComparisonReport(trained.map { RunDirectory(path: runs.path + "/" + $0.name) }, cache: cache.path)
                : nil)
    }

    /// Maximum number of runs in the comparison.
    private static let compared = 24

    private func table(_ plan: SweepPlan, _ result: SweepRun.Result) -> String {
        let names = plan.keys.map { (heading: Self.short($0), alignment: TextTable.Alignment.left) }
        var table = TextTable(
            [("run", .left)] + names + [
                ("epoch", .right), ("validation loss", .right), ("validation", .right), ("test", .right),
            ])
        let ranked = result.outcomes.sorted { first, second in
            first.diverged == second.diverged
                ? first.validationLoss ?? .infinity < second.validationLoss ?? .infinity : second.diverged
        }
        for outcome in ranked {
            table.append(
                [outcome.name + (outcome.diverged ? " (diverged)" : "")] + outcome.values + [
                    "\(outcome.bestEpoch)", outcome.validationLoss.map { decimal($0, 4) } ?? "–",
                    outcome.validationAccuracy.map(percent) ?? "–", outcome.testAccuracy.map(percent) ?? "–",
                ])
        }
        return table.text
    }

    /// The last component of a key.
    private static func short(_ key: String) -> String { key.splitBytes(".").last.map(String.init) ?? key }

    private func csv(_ plan: SweepPlan, _ result: SweepRun.Result) -> String {
        func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
        let header =
            ["run"] + plan.keys + [
                "best_epoch", "epochs", "validation_loss", "validation_accuracy", "test_accuracy", "state",
            ]
        let lines = result.outcomes.map { outcome in
            [outcome.name] + outcome.values + [
                "\(outcome.bestEpoch)", "\(outcome.epochs)", number(outcome.validationLoss),
                number(outcome.validationAccuracy), number(outcome.testAccuracy),
                outcome.diverged ? "diverged" : outcome.failure == nil ? "finished" : "failed",
            ]
        }
        return CSV.text(header, lines)
    }
}

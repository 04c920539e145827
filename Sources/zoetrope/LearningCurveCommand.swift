import ArgumentParser
import FeatureCache
import Foundation
import Workflows
import Reports
import SequenceModels

struct LearningCurveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "learning-curve",
        abstract: "Learning curve: held-out accuracy, or mean average precision, against the number of training clips.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var cache: CacheOption

    @Option(help: "Number of folds of the cross-validation.") var folds = 5

    @Option(help: "Number of repeats with new folds.") var repeats = 1

    @Option(help: "Number of training-set sizes; each is twice the previous one.") var sizes = 5

    @OptionGroup var resources: TrainingResources
    @OptionGroup var partial: PartialOption

    @OptionGroup var format: JSONOption

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if folds < 2 { throw ValidationError("--folds must be at least 2.") }
        if repeats < 1 { throw ValidationError("--repeats must be at least 1.") }
        if !(2...20).contains(sizes) { throw ValidationError("--sizes must be from 2 to 20.") }
    }

    func run() throws {
        try Console.perform {
            try report.requireWritable()
            let read = try pipeline.read()
            let cache = try CacheFile(path: cache.path, create: false)
            let line = ProgressLine()
            let curve = try Console.interruptible { isCancelled in
                try LearningCurve(
                    read, file: pipeline.file, cache: cache, version: ZoetropeCommand.version, folds: folds,
                    repeats: repeats, sizes: sizes, workers: resources.threads, memory: resources.memory.bytes,
                    allowsPartial: partial.isAllowed, isCancelled: isCancelled
                ) { event in
                    switch event {
                    case .features(let event): TrainSequence.show(event, line)
                    case .model(let done, let total): line.step("models", done, of: total)
                    }
                }
            }
            line.clear()
            guard let curve else { throw Console.interrupted }
            try show(curve, name: read.name)
            if curve.points.allSatisfy({ $0.score == nil }) { throw Console.someFailed }
        }
    }

    private func show(_ curve: LearningCurve, name: String) throws {
        let page = LearningCurveReport(name: name, points: curve.points, task: curve.task)
        if format.json {
            Console.print(json: try page.json())
        } else {
            Console.print(
                "\(name): \(curve.heldOut) held-out clips, each predicted by models that were not trained on "
                    + "it\n\(lines: page.text)")
            if let gain = page.gain { Console.print("\n" + gain) }
        }
        try report.write { page }
    }
}

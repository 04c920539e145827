import ArgumentParser
import FeatureCache
import Foundation
import Pipelines
import Reports
import SequenceModels

struct LearningCurveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "learning-curve",
        abstract: "Learning curve: held-out accuracy against the number of training clips.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var cache: CacheOption

    @Option(help: "Number of folds of the cross-validation.")
    var folds = 5

    @Option(help: "Number of repeats with new folds.")
    var repeats = 1

    @Option(help: "Number of training-set sizes; each is twice the previous one.")
    var sizes = 5

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
            let file = pipeline.file
            var pipeline = try pipeline.read()
            try pipeline.requireOneSplit(file: file)
            let cache = try CacheFile(path: cache.path, create: false)
            let extraction = try TrainSequence.extraction(of: pipeline, file: file, in: cache)
            try pipeline.readTexts(of: extraction.record, in: cache)
            guard let training = pipeline.training else { return }
            _ = try TrainSequence.checkCoverage(
                pipeline, cache, extraction.id, allowsPartial: partial.isAllowed)
            let features = try SequenceRun.load(
                cache, pipeline.dataset, extraction: extraction, views: training.views, memory: resources.memory.bytes,
                overlapping: true)
            let validation = try CrossValidation(
                training, folds: folds, repeats: repeats, features: features,
                input: .init(shape: extraction.record.featureShape, maximumLength: extraction.record.maxFrames))
            Interruption.install()
            let line = ProgressLine()
            let curve = try LearningCurve(
                validation, sizes: sizes, workers: resources.threads, isCancelled: { Interruption.isRequested }
            ) { done, total in
                line.step("models", done, of: total)
            }
            line.clear()
            guard let curve else { throw Console.interrupted }
            try show(curve, name: pipeline.name)
            if curve.points.allSatisfy({ $0.accuracy == nil }) { throw Console.someFailed }
        }
    }

    private func show(_ curve: LearningCurve, name: String) throws {
        let page = LearningCurveReport(
            name: name,
            points: curve.points.map {
                .init(
                    clips: $0.clips, accuracy: $0.accuracy, interval: $0.interval, deviation: $0.deviation,
                    diverged: $0.diverged)
            })
        if format.json {
            Console.print(json: try JSONText.of(curve.points))
        } else {
            Console.print(
                "\(name): \(curve.heldOut) held-out clips, each predicted by models that were not trained on it\n\(lines: page.text)"
            )
            if let gain = page.gain { Console.print("\n" + gain) }
        }
        try report.write { page }
    }
}

import Datasets
import FeatureCache
import Foundation
import Pipelines
import Reports
import SequenceModels

/// The published protocol of UCF101 and HMDB51: a run on each official split with the same features, and their mean
/// accuracy.
struct OfficialSplits {
    private let pipeline: Pipeline
    private let file: String
    private let cache: CacheFile
    private let runs: String
    private let resumes: Bool
    private let options: TrainSequence.Options

    init(
        _ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, resumes: Bool,
        options: TrainSequence.Options
    ) {
        (self.pipeline, self.file, self.cache, self.runs, self.resumes) = (pipeline, file, cache, runs, resumes)
        self.options = options
    }

    /// Trains `<name>-split1` and so on, prints the table of accuracies, and writes it as a report beside the runs.
    func train(name: String, _ resources: TrainingResources) throws {
        var parts: [OfficialSplitsReport.Part] = []
        for part in pipeline.dataset.parts {
            var own = pipeline
            own.dataset = part
            let summary = try TrainSequence.train(
                own, file: file, cache: cache, runs: runs, name: "\(name)-split\(part.split)", resources: resources,
                resumes: resumes, options: options)
            guard let summary, !summary.wasCancelled else { throw Console.interrupted }
            guard let metrics = summary.metrics[.test],
                let run = try cache.run(named: "\(name)-split\(part.split)")
            else { continue }
            let predictions = try cache.predictions(run: run, split: "test")
            parts.append(
                .init(
                    split: part.split, clips: metrics.count, accuracy: metrics.accuracy, top5: metrics.accuracy(top: 5),
                    interval: Comparison.interval(predictions, groups: try cache.groups(dataset: part.name)),
                    run: summary.directory))
        }
        guard !parts.isEmpty else { throw SequenceError.noSplit("test", available: ["train"]) }
        let report = OfficialSplitsReport(name: name, parts: parts)
        Console.print("\n\(name), test part of each official split\n\(lines: report.text)")
        let page = "\(runs)/\(name)-splits.html"
        _ = try report.write(html: page)
        Console.message("Report: " + page)
    }
}

import Datasets
import FeatureCache
import Foundation
import Pipelines
import Reports
import SequenceModels

/// The published protocol of UCF101 and HMDB51: a run on each official split of the same features, and their mean.
struct OfficialSplits {
    private let pipeline: Pipeline
    private let file: String
    private let cache: CacheFile
    private let runs: String
    private let resumes: Bool

    init(_ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, resumes: Bool) {
        (self.pipeline, self.file, self.cache, self.runs, self.resumes) = (pipeline, file, cache, runs, resumes)
    }

    /// Trains `<name>-split1` and so on, and prints the table that papers print.
    func train(name: String, _ resources: TrainingResources) throws {
        var table = TextTable([("split", .left), ("clips", .right), ("accuracy", .right), ("top-5", .right)])
        var accuracies: [Double] = []
        var wide: [Double] = []
        for part in pipeline.dataset.parts {
            var own = pipeline
            own.dataset = part
            let summary = try TrainSequence.train(
                own, file: file, cache: cache, runs: runs, name: "\(name)-split\(part.split)",
                resources: resources, resumes: resumes)
            guard let summary, !summary.wasCancelled else { throw Console.interrupted }
            guard let metrics = summary.metrics[.test] else { continue }
            accuracies.append(metrics.accuracy)
            wide.append(metrics.accuracy(top: 5))
            table.append([
                "\(part.split)", "\(metrics.count)", percent(metrics.accuracy), percent(metrics.accuracy(top: 5)),
            ])
        }
        let (mean, deviation) = Statistics.meanAndDeviation(accuracies)
        table.append([
            "mean", "", percent(mean) + (deviation.map { " ± " + percent($0) } ?? ""),
            percent(Statistics.meanAndDeviation(wide).mean),
        ])
        print("\n\(name), test part of each official split\n\(table.text)")
    }
}

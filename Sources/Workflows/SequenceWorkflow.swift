import FeatureCache
import Foundation
import PipelineFile
import Reports
import SequenceModels

/// Stage 2: from a pipeline to a trained run, with cross-validation if the pipeline has folds.
package struct SequenceWorkflow {
    package var pipeline: Pipeline
    /// The pipeline's file, for errors.
    package let file: String
    package let cache: CacheFile
    /// Folder of all runs.
    package let runs: String
    package let version: String
    package var threads = ProcessInfo.processInfo.activeProcessorCount
    /// Bytes that the features may take.
    package var memory = Int.max
    /// Whether an existing run of the name is resumed.
    package var resumes = false
    /// Whether training is allowed if more than a tenth of the clips have no features.
    package var allowsPartial = false
    /// Whether labels that occur in the validation or test part only are allowed.
    package var leavesOutUnknown = false

    package init(_ pipeline: Pipeline, file: String, cache: CacheFile, runs: String, version: String) {
        (self.pipeline, self.file, self.cache) = (pipeline, file, cache)
        (self.runs, self.version) = (runs, version)
    }

    package enum Event: Sendable {
        case features(CachedFeatures.Event)
        case training(CrossValidationRun.Event, run: SequenceRun)
    }

    package struct Result {
        package let run: SequenceRun
        package let summary: SequenceRun.Summary
        /// Whether the run has results, but no test part.
        package let lacksTest: Bool
    }

    /// - `name`: the run's; nil derives an unused one from the pipeline's.
    /// - Returns: nil if cancelled before there was anything to store.
    /// - Throws: `PipelineError`, `SequenceError`, `CacheError`, `DatasetError`, `FeatureExtractor.Cancelled`.
    package func train(
        name: String?, isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void
    ) throws -> Result? {
        let cached = CachedFeatures(file: file, cache: cache, version: version, isCancelled: isCancelled) {
            report(.features($0))
        }
        var pipelines = [pipeline]
        let extraction = try cached.extraction(for: &pipelines)
        guard let pipeline = pipelines.first, let training = pipeline.training else { return nil }
        if extraction.record.weights == "random" {
            report(.features(.note("the features come from an untrained (random) \(extraction.record.backbone)")))
        }
        var run = SequenceRun(
            name: try name ?? SequenceRun.freeName(pipeline.name, in: cache, runs: runs),
            dataset: pipeline.dataset.name, training: training, runs: runs, version: version)
        (run.threads, run.memory, run.resumes) = (threads, memory, resumes)
        run.leavesOutUnknown = leavesOutUnknown
        run.root = pipeline.dataset.root
        run.excluded = try pipeline.dataset.excludedPaths()
        run.source = pipeline.dataset
        if let note = try pipeline.dataset.testNote(cache, isCrossValidated: training.folds != nil) {
            report(.features(.note(note)))
        }
        run.missing = try cached.missing(pipeline, extraction, allowsPartial: allowsPartial)
        let summary =
            if training.folds != nil {
                try CrossValidationRun(run, workers: threads).train(
                    cache: cache, extraction: extraction, isCancelled: isCancelled
                ) { report(.training($0, run: run)) }
            } else {
                try run.run(cache: cache, extraction: extraction, isCancelled: isCancelled) {
                    report(.training(.final($0), run: run))
                }
            }
        return summary.map {
            Result(
                run: run, summary: $0,
                lacksTest: $0.metrics[.test] == nil && $0.metrics[.validation] != nil && training.folds == nil)
        }
    }

    /// Trains `<name>-split1` and so on: the protocol of UCF101 and HMDB51, one run on each official split with the
    /// same features. `finished`: called after each split. Returns nil if cancelled. Throws `SequenceError.noSplit` if
    /// no split has test clips, and the errors of `train`.
    package func trainOfficialSplits(
        name: String, isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void,
        finished: (Result) throws -> Void
    ) throws -> OfficialSplitsReport? {
        var parts: [OfficialSplitsReport.Part] = []
        for part in pipeline.dataset.parts {
            var own = self
            own.pipeline.dataset = part
            let result = try own.train(name: "\(name)-split\(part.split)", isCancelled: isCancelled, report: report)
            if let result { try finished(result) }
            guard let summary = result?.summary, !summary.wasCancelled else { return nil }
            guard let metrics = summary.metrics[.test]?.classes,
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
        return OfficialSplitsReport(name: name, parts: parts)
    }
}

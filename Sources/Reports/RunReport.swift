import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import Threads

/// The report of one run, from the cache: training, metrics, confusions, and the frames of its most confident errors.
package struct RunReport: Report {
    package let split: Split
    package let charts: [Chart]
    let run: ReportedRun
    let metrics: Metrics
    let reliability: Reliability
    let scores: ScoreMetrics
    let classes: [ClassFigures]
    let mistakes, unsure: [ClipView]
    let mistakeCount: Int
    let attends: Bool
    let continuous: ContinuousEvaluation?

    /// Numbers of clips whose frames are shown.
    private static let shownMistakes = 12, shownUnsure = 4

    /// `wanted`: nil selects test if the run has such clips, otherwise held-out or validation clips. `path`: of the
    /// cache; nil is the one that the run recorded. `root`: folder of the data set's videos; nil is the one used in
    /// training. `positive`: of two classes, the positive one; nil is the one of the training configuration.
    /// `continuous`: the evaluation on concatenated clips, if there is one.
    package init(
        _ directory: RunDirectory, role wanted: ClipRole? = nil, cache path: String? = nil, root: String? = nil,
        positive: String? = nil, continuous: ContinuousEvaluation? = nil
    ) throws {
        let cache = try CacheFile(path: path ?? directory.load().configuration.cache, create: false)
        let run = try ReportedRun(directory, role: wanted, cache, root: root)
        let (head, predictions) = (run.head, run.predictions)
        let metrics = Metrics(predictions, labels: head.labels)
        (self.run, split, self.metrics, self.continuous) = (run, run.split, metrics, continuous)
        reliability = Reliability(predictions.filter(\.isScored).map { ($0.probability, $0.label == $0.predicted) })
        scores = ScoreMetrics(
            predictions, labels: head.labels, positive: positive ?? run.configuration.training.positive)
        let (classes, mean) = ClassFigures.all(metrics, clips: run.counts)
        self.classes = classes

        let wrong = predictions.filter { $0.label != $0.predicted }.sorted { $0.probability > $1.probability }
        let right = predictions.filter { $0.label == $0.predicted }.sorted { $0.probability < $1.probability }
        let chosen = wrong.prefix(Self.shownMistakes) + right.prefix(Self.shownUnsure)
        let weights = try chosen.map { prediction in
            try run.extraction.flatMap { try cache.sequence(extraction: $0, video: prediction.videoID) }
                .flatMap { try head.attention(of: $0.rows) }
        }
        attends = weights.contains { $0 != nil }
        let byID = Dictionary(run.clips.map { ($0.videoID, $0) }, uniquingKeysWith: { first, _ in first })
        let views = Self.views(
            zip(chosen, weights).compactMap { prediction, weights in
                byID[prediction.videoID].map { ($0, prediction, weights) }
            },
            labels: head.labels, run)
        mistakes = views.filter(\.isWrong)
        unsure = views.filter { !$0.isWrong }
        mistakeCount = wrong.count

        charts =
            Chart.curves(run.epochs, best: run.configuration.bestEpoch) + [
                .confusion(metrics, isNormalized: false), .confusion(metrics, isNormalized: true),
                .classRecall(classes), .frequency(classes, mean: mean), .distribution(classes, splits: run.splits),
                .reliability(reliability), .topAccuracy(metrics),
            ] + (scores.roc.map { [Chart.roc($0)] } ?? []) + (continuous.map(Chart.continuous) ?? [])
    }

    /// Decodes the clips in parallel.
    private static func views(
        _ chosen: [(clip: UsedClip, prediction: PredictionRecord, weights: [Float]?)], labels: [String],
        _ run: ReportedRun
    ) -> [ClipView] {
        concurrentMap(chosen.count) { index in
            let (clip, prediction, weights) = chosen[index]
            let strip = FrameStrip(
                clip, root: run.root, recipe: run.recipe, weights: weights, limit: weights == nil ? 10 : 20)
            return ClipView(clip, prediction, labels: labels, strip: strip)
        }
    }
}

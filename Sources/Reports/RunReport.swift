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
    let configuration: RunDirectory.Configuration
    let recipe: ExtractionRecipe
    let summary: RunSummary?
    let metrics: Metrics
    let interval: Statistics.Interval
    let reliability: Reliability
    let scores: ScoreMetrics
    let classes: [ClassFigures]
    let splits: [String]
    let epochs: [EpochRecord]
    let mistakes, unsure: [ClipView]
    let mistakeCount: Int
    let attends: Bool
    let parameters: Int
    let continuous: ContinuousEvaluation?

    /// Numbers of clips whose frames are shown.
    private static let shownMistakes = 12, shownUnsure = 4

    /// `wanted`: nil selects test if the run has such clips, otherwise held-out or validation clips. `path`: of the
    /// cache; nil is the one that the run recorded. `root`: folder of the data set's videos; nil is the one used in
    /// training. `continuous`: the evaluation on concatenated clips, if there is one.
    package init(
        _ directory: RunDirectory, role wanted: ClipRole? = nil, cache path: String? = nil, root: String? = nil,
        continuous: ContinuousEvaluation? = nil
    ) throws {
        let (head, configuration) = try directory.load()
        let cache = try CacheFile(path: path ?? configuration.cache, create: false)
        let run = try cache.run(of: directory, configuration)
        let clips = try cache.clips(run: run)
        let available = [Split.test, .validation, .train].filter { split in
            clips.contains { $0.split == split.rawValue }
        }
        // The cache stores out-of-fold predictions under the validation split.
        let meant = wanted.map { Split(rawValue: $0.rawValue) ?? .validation }
        guard let split = meant ?? available.first, available.contains(split) else {
            throw SequenceError.noSplit(wanted?.rawValue ?? "test", available: available.map(\.rawValue))
        }
        let predictions = try cache.predictions(run: run, split: split.rawValue)
        let metrics = Metrics(predictions, labels: head.labels)
        (self.split, self.configuration, self.metrics, self.continuous) = (split, configuration, metrics, continuous)
        recipe = try ExtractionRecipe(json: configuration.recipe)
        summary = try cache.runs().first { $0.name == configuration.name }
        epochs = try cache.epochs(run: run)
        parameters = head.parameters.values.count
        reliability = Reliability(predictions.filter(\.isScored).map { ($0.probability, $0.label == $0.predicted) })
        scores = ScoreMetrics(predictions, labels: head.labels)
        interval = Comparison.interval(predictions, groups: try cache.groups(dataset: configuration.dataset))
        splits = Split.allCases.map(\.rawValue).filter { split in clips.contains { $0.split == split } }
        let counts = Dictionary(grouping: clips, by: \.label).mapValues { own in
            Dictionary(grouping: own, by: \.split).mapValues(\.count)
        }
        let (classes, mean) = ClassFigures.all(metrics, clips: counts)
        self.classes = classes

        let wrong = predictions.filter { $0.label != $0.predicted }.sorted { $0.probability > $1.probability }
        let right = predictions.filter { $0.label == $0.predicted }.sorted { $0.probability < $1.probability }
        let chosen = wrong.prefix(Self.shownMistakes) + right.prefix(Self.shownUnsure)
        let stored = try cache.extractions().first { $0.record.digest == configuration.recipeDigest }
        try stored.map { try configuration.requireShape(of: $0.record, run: directory.path) }
        let extraction = stored?.id
        let weights = try chosen.map { prediction in
            try extraction.flatMap { try cache.sequence(extraction: $0, video: prediction.videoID) }
                .flatMap { try head.attention(of: $0.rows) }
        }
        attends = weights.contains { $0 != nil }
        let byID = Dictionary(clips.map { ($0.videoID, $0) }, uniquingKeysWith: { first, _ in first })
        let views = Self.views(
            zip(chosen, weights).compactMap { prediction, weights in
                byID[prediction.videoID].map { ($0, prediction, weights) }
            },
            labels: head.labels, root: root ?? configuration.root, recipe: recipe)
        mistakes = views.filter(\.isWrong)
        unsure = views.filter { !$0.isWrong }
        mistakeCount = wrong.count

        charts =
            Chart.curves(epochs, best: configuration.bestEpoch) + [
                .confusion(metrics, isNormalized: false), .confusion(metrics, isNormalized: true),
                .classRecall(classes), .frequency(classes, mean: mean), .distribution(classes, splits: splits),
                .reliability(reliability), .topAccuracy(metrics),
            ] + (scores.roc.map { [Chart.roc($0)] } ?? []) + (continuous.map(Chart.continuous) ?? [])
    }

    /// Decodes the clips in parallel.
    private static func views(
        _ chosen: [(clip: UsedClip, prediction: PredictionRecord, weights: [Float]?)], labels: [String], root: String?,
        recipe: ExtractionRecipe
    ) -> [ClipView] {
        concurrentMap(chosen.count) { index in
            let (clip, prediction, weights) = chosen[index]
            let strip = FrameStrip(clip, root: root, recipe: recipe, weights: weights, limit: weights == nil ? 10 : 20)
            return ClipView(clip, prediction, labels: labels, strip: strip)
        }
    }
}

import Datasets
import FeatureCache
import Foundation

package struct Comparison: Sendable, Encodable {
    struct Run: Sendable {
        let summary: RunSummary
        /// Equal for runs that differ only in their seed.
        let family: String
        /// Predictions of one split, by the clip's row ID.
        let predictions: [Int64: PredictionRecord]
        /// Whether the predictions are out-of-fold.
        var isHeldOut = false
        /// Repetitions whose out-of-fold predictions are averaged.
        var repeats = 1
        /// In the order of the probabilities.
        var labels: [String] = []

        var isDiverged: Bool { summary.state == RunState.diverged.rawValue }
    }

    package struct Entry: Sendable, Encodable {
        package let run: RunSummary
        /// Of all labels of a clip together, if there are several.
        package let accuracy: Double
        /// Nil for one class a clip.
        package var meanAveragePrecision: Double?
        /// 95 % interval of the accuracy or of the mean average precision, clustered by source.
        package let interval: Statistics.Interval
        /// Whether training diverged; such a run is never ranked as best.
        package let diverged: Bool
        /// Models whose probabilities are averaged; more than one is an ensemble, which is more accurate than a single
        /// model.
        package let averagedRepeats: Int
        /// What runs are ranked by.
        package var score: Double { meanAveragePrecision ?? accuracy }
    }

    package struct Pair: Sendable, Encodable {
        package let first, second: String
        /// Clips that only one of the runs classifies correctly, with all their labels.
        package let onlyFirst, onlySecond: Int
        /// Score of the second run minus that of the first.
        package let gain: Double
        /// 95 % interval of the gain, clustered by source.
        package let interval: Statistics.Interval
        /// p-value of McNemar's exact test, or of the paired bootstrap of the mean average precision.
        package let probability: Double
    }

    package struct ClassGain: Sendable, Encodable {
        package let label: String
        package let clips: Int
        /// Recall, or average precision of a label, of the first and of the best run.
        package let first, best: Double
        /// 95 % interval of the difference by the paired bootstrap; nil for one class a clip.
        package var interval: Statistics.Interval?
        /// Of the first and of the best run; nil for several labels a clip.
        package var firstPrecision, bestPrecision, firstF1, bestF1: Double?
    }

    /// Runs that differ only in their seed, without diverged ones.
    package struct Family: Sendable, Encodable {
        package let model: String
        package let runs: [String]
        /// Of their accuracies or mean average precisions.
        package let mean: Double
        /// Standard deviation; nil for a single run.
        package let deviation: Double?
    }

    /// In the given order.
    package let entries: [Entry]
    /// Each later run against the first, and the two best against each other; runs that differ only in their seed are
    /// represented by the first of them.
    package let pairs: [Pair]
    /// Of the best run against the first, largest first.
    package let classGains: [ClassGain]
    /// Most accurate first; empty if no two runs differ only in their seed.
    package let families: [Family]
    /// Number of clips that all runs predicted.
    package let clips: Int
    /// Number of omitted clips: some run did not predict them, or they were relabelled between runs.
    package let leftOut: Int
    /// The role of the clips in the runs: `test`, `heldout`, `validation`, `train`, or `mixed`.
    package internal(set) var role = "test"
    package let task: DatasetConfiguration.Task
    /// Whether the runs were trained with the same classes or labels.
    package let hasEqualLabels: Bool

    enum CodingKeys: String, CodingKey { case entries, pairs, classGains, families, clips, leftOut, role }

    /// `groups`: source of each clip that has one. Precondition: at least one run.
    init(_ runs: [Run], groups: [Int64: String], task: DatasetConfiguration.Task = .classification) {
        self.task = task
        hasEqualLabels = Set(runs.map(\.labels)).count < 2
        let common = runs.dropFirst().reduce(Set(runs[0].predictions.keys)) { $0.intersection($1.predictions.keys) }
        // Clips that were relabelled between two runs have no common ground truth.
        let videos = common.filter { video in Set(runs.map { $0.predictions[video]?.label }).count == 1 }.sorted()
        clips = videos.count
        leftOut = Set(runs.flatMap(\.predictions.keys)).count - videos.count
        let correct = runs.map { run in
            videos.map { run.predictions[$0].map { $0.label == $0.predicted } == true }
        }
        let places = Self.places(videos, groups)
        let predictions = runs.map { run in videos.compactMap { run.predictions[$0] } }
        let measure: any RunComparison =
            task == .classification
            ? ClassComparison(predictions, places: places)
            : LabelComparison(predictions, runs, groups: videos.map { groups[$0] })
        let scores = measure.scores
        entries = runs.indices.map { index in
            Entry(
                run: runs[index].summary,
                accuracy: Double(correct[index].count { $0 }) / Double(max(1, videos.count)),
                meanAveragePrecision: task == .multilabel ? scores[index] : nil, interval: measure.interval(index),
                diverged: runs[index].isDiverged, averagedRepeats: runs[index].repeats)
        }
        func pair(_ first: Int, _ second: Int) -> Pair {
            let both = zip(correct[first], correct[second])
            let (onlyFirst, onlySecond) = (both.count { $0 && !$1 }, both.count { !$0 && $1 })
            let (interval, probability) = measure.difference(first, second)
            return Pair(
                first: runs[first].summary.name, second: runs[second].summary.name, onlyFirst: onlyFirst,
                onlySecond: onlySecond, gain: scores[second] - scores[first], interval: interval,
                probability: probability)
        }
        var seen: Set<String> = []
        var shown = runs.indices.filter { seen.insert(runs[$0].family).inserted }
        if shown.count == 1 { shown = Array(runs.indices) }
        // The sort is stable: equal runs keep their order.
        let ranked = shown.sorted { first, second in
            let (one, other) = (runs[first].isDiverged, runs[second].isDiverged)
            return one == other ? (-scores[first], first) < (-scores[second], second) : other
        }
        var pairs = shown.dropFirst().map { pair(0, $0) }
        if ranked.count > 2, ranked[0] != 0, ranked[1] != 0 { pairs.append(pair(ranked[1], ranked[0])) }
        self.pairs = pairs
        classGains = measure.gains(best: ranked[0])
        families = Self.families(runs, scores)
    }

    /// The group of each clip as an index; a clip without a source is a group of its own.
    private static func places(_ videos: [Int64], _ groups: [Int64: String]) -> [Int] {
        var numbers: [String: Int] = [:]
        return videos.map { video in
            let name = groups[video].map { "group " + $0 } ?? "clip \(video)"
            let number = numbers[name] ?? numbers.count
            numbers[name] = number
            return number
        }
    }

    /// 95 % interval of the accuracy, clustered by source. `groups`: source of each clip that has one.
    package static func interval(_ predictions: [PredictionRecord], groups: [Int64: String]) -> Statistics.Interval {
        ClusteredProportion(
            predictions.map { $0.label == $0.predicted }, places: places(predictions.map(\.videoID), groups)
        ).interval
    }

    /// 95 % interval of the accuracy, or of the mean average precision, clustered by source. `labels`: in the order of
    /// the probabilities.
    package static func interval(
        _ predictions: [PredictionRecord], labels: [String], task: DatasetConfiguration.Task, groups: [Int64: String]
    ) -> Statistics.Interval {
        task == .classification
            ? interval(predictions, groups: groups)
            : LabelBootstrap(groups: predictions.map { groups[$0.videoID] }).interval(
                LabelScores(predictions, labels: labels))
    }

    private static func families(_ runs: [Run], _ scores: [Double]) -> [Family] {
        let members = Dictionary(grouping: runs.indices.filter { !runs[$0].isDiverged }, by: { runs[$0].family })
        guard members.values.contains(where: { $0.count > 1 }) else { return [] }
        return members.values.map { indices in
            let (mean, standardDeviation) = Statistics.meanAndStandardDeviation(indices.map { scores[$0] })
            return Family(
                model: runs[indices[0]].summary.model, runs: indices.map { runs[$0].summary.name }, mean: mean,
                deviation: standardDeviation)
        }
        .sorted { ($1.mean, $0.runs[0]) < ($0.mean, $1.runs[0]) }
    }
}

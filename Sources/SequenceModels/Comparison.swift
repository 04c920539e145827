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

        var isDiverged: Bool { summary.state == RunState.diverged.rawValue }
    }

    package struct Entry: Sendable, Encodable {
        package let run: RunSummary
        package let accuracy: Double
        /// 95 % interval of the accuracy, clustered by source.
        package let interval: Statistics.Interval
        /// Whether training diverged; such a run is never ranked as best.
        package let diverged: Bool
        /// Models whose probabilities are averaged; more than one is an ensemble, which is more accurate than a single
        /// model.
        package let averagedRepeats: Int
    }

    package struct Pair: Sendable, Encodable {
        package let first, second: String
        /// Clips that only one of the runs classifies correctly.
        package let onlyFirst, onlySecond: Int
        /// Accuracy of the second run minus that of the first.
        package let gain: Double
        /// 95 % interval of the gain, clustered by source.
        package let interval: Statistics.Interval
        /// p-value of McNemar's exact test.
        package let probability: Double
    }

    package struct ClassGain: Sendable, Encodable {
        package let label: String
        package let clips: Int
        /// Recall of the first and of the best run.
        package let first, best: Double
    }

    /// Runs that differ only in their seed, without diverged ones.
    package struct Family: Sendable, Encodable {
        package let model: String
        package let runs: [String]
        package let mean: Double
        /// Standard deviation of their accuracies; nil for a single run.
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

    /// `groups`: source of each clip that has one. Precondition: at least one run.
    init(_ runs: [Run], groups: [Int64: String]) {
        let common = runs.dropFirst().reduce(Set(runs[0].predictions.keys)) { $0.intersection($1.predictions.keys) }
        // Clips that were relabelled between two runs have no common ground truth.
        let videos = common.filter { video in Set(runs.map { $0.predictions[video]?.label }).count == 1 }.sorted()
        clips = videos.count
        leftOut = Set(runs.flatMap(\.predictions.keys)).count - videos.count
        let correct = runs.map { run in
            videos.map { run.predictions[$0].map { $0.label == $0.predicted } == true }
        }
        let places = Self.places(videos, groups)
        let accuracies = correct.map { Double($0.count { $0 }) / Double(max(1, videos.count)) }
        let shares = correct.map { ClusteredProportion($0, places: places) }
        entries = runs.indices.map { index in
            Entry(
                run: runs[index].summary, accuracy: accuracies[index], interval: shares[index].interval,
                diverged: runs[index].isDiverged, averagedRepeats: runs[index].repeats)
        }
        func pair(_ first: Int, _ second: Int) -> Pair {
            let both = zip(correct[first], correct[second])
            let (onlyFirst, onlySecond) = (both.count { $0 && !$1 }, both.count { !$0 && $1 })
            return Pair(
                first: runs[first].summary.name, second: runs[second].summary.name, onlyFirst: onlyFirst,
                onlySecond: onlySecond, gain: accuracies[second] - accuracies[first],
                interval: ClusteredProportion.gain(shares[first], shares[second]),
                probability: Statistics.mcNemar(onlyFirst: onlyFirst, onlySecond: onlySecond))
        }
        var seen: Set<String> = []
        var shown = runs.indices.filter { seen.insert(runs[$0].family).inserted }
        if shown.count == 1 { shown = Array(runs.indices) }
        // The sort is stable: equal runs keep their order.
        let ranked = shown.sorted { first, second in
            let (one, other) = (runs[first].isDiverged, runs[second].isDiverged)
            return one == other ? (-accuracies[first], first) < (-accuracies[second], second) : other
        }
        var pairs = shown.dropFirst().map { pair(0, $0) }
        if ranked.count > 2, ranked[0] != 0, ranked[1] != 0 { pairs.append(pair(ranked[1], ranked[0])) }
        self.pairs = pairs
        classGains = Self.gains(runs[0], correct[0], correct[ranked[0]], videos)
        families = Self.families(runs, accuracies)
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

    private static func gains(_ run: Run, _ first: [Bool], _ best: [Bool], _ videos: [Int64]) -> [ClassGain] {
        var counts: [String: (clips: Int, first: Int, best: Int)] = [:]
        for (index, video) in videos.enumerated() {
            let label = run.predictions[video]?.label ?? ""
            let old = counts[label] ?? (0, 0, 0)
            counts[label] = (old.clips + 1, old.first + (first[index] ? 1 : 0), old.best + (best[index] ? 1 : 0))
        }
        return counts.map { label, count in
            ClassGain(
                label: label, clips: count.clips, first: Double(count.first) / Double(count.clips),
                best: Double(count.best) / Double(count.clips))
        }
        .sorted { ($1.best - $1.first, $0.label) < ($0.best - $0.first, $1.label) }
    }

    private static func families(_ runs: [Run], _ accuracies: [Double]) -> [Family] {
        let members = Dictionary(grouping: runs.indices.filter { !runs[$0].isDiverged }, by: { runs[$0].family })
        guard members.values.contains(where: { $0.count > 1 }) else { return [] }
        return members.values.map { indices in
            let (mean, standardDeviation) = Statistics.meanAndStandardDeviation(indices.map { accuracies[$0] })
            return Family(
                model: runs[indices[0]].summary.model, runs: indices.map { runs[$0].summary.name }, mean: mean,
                deviation: standardDeviation)
        }
        .sorted { ($1.mean, $0.runs[0]) < ($0.mean, $1.runs[0]) }
    }
}

import Datasets
import FeatureCache
import Foundation

/// Runs beside each other on the same clips.
public struct Comparison: Sendable, Encodable {
    /// What a run said, as comparing needs it.
    public struct Run: Sendable {
        /// Name, head and figures.
        public let summary: RunSummary
        /// The same for runs that differ in nothing but their seed.
        public let family: String
        /// Whether the predictions are those of fold models on clips held out from them.
        public var isHeldOut = false
        /// Repeats whose predictions are averaged, if they are held out.
        public var repeats = 1
        /// Of one split, by the clip's digest or row.
        public let predictions: [Int64: PredictionRecord]

        var isDiverged: Bool { summary.state == RunState.diverged.rawValue }

        /// A run's predictions; `family` is the same for runs that differ in nothing but their seed.
        public init(
            summary: RunSummary, family: String, predictions: [Int64: PredictionRecord], isHeldOut: Bool = false,
            repeats: Int = 1
        ) {
            self.summary = summary
            self.family = family
            self.predictions = predictions
            (self.isHeldOut, self.repeats) = (isHeldOut, repeats)
        }
    }

    /// One run's figures.
    public struct Entry: Sendable, Encodable {
        /// Name, head, epochs, seconds.
        public let run: RunSummary
        /// Share of clips named rightly.
        public let accuracy: Double
        /// Of the accuracy, over sources.
        public let interval: Statistics.Interval
        /// Whether training diverged: the run is never taken for the best.
        public let diverged: Bool
        /// Models whose probabilities are averaged; more than one is an ensemble, which is better than a single model.
        public let averagedRepeats: Int
    }

    /// Two runs on the same clips.
    public struct Pair: Sendable, Encodable {
        /// Names.
        public let first, second: String
        /// Clips that one alone names rightly.
        public let onlyFirst, onlySecond: Int
        /// Accuracy of the second less that of the first.
        public let gain: Double
        /// Of the gain, over sources.
        public let interval: Statistics.Interval
        /// McNemar's exact test.
        public let probability: Double
    }

    /// How much better or worse the second of two runs names a class.
    public struct ClassGain: Sendable, Encodable {
        /// Class.
        public let label: String
        /// Clips of it.
        public let clips: Int
        /// Share named rightly by the first and by the best run.
        public let first, best: Double
    }

    /// Runs that differ in nothing but their seed; those that diverged are left out.
    public struct Family: Sendable, Encodable {
        /// Their head.
        public let model: String
        /// Their names.
        public let runs: [String]
        /// Of their accuracies.
        public let mean: Double
        /// Of their accuracies; nil for a single run.
        public let deviation: Double?
    }

    /// In the order given.
    public let entries: [Entry]
    /// Each run after the first beside the first, and the two best beside each other; of runs that differ in
    /// their seed alone the first stands for all.
    public let pairs: [Pair]
    /// Of the best run against the first, largest first.
    public let classGains: [ClassGain]
    /// Most accurate first; empty where no two runs differ in their seed alone.
    public let families: [Family]
    /// Clips that all runs predicted.
    public let clips: Int
    /// Clips that some run did not predict, or that were relabelled between runs, and which are left out.
    public let leftOut: Int
    /// What the clips are for the runs: `test`, `heldout`, `validation`, `train`, or `mixed`.
    public internal(set) var role = "test"

    /// - `groups`: source of each clip that has one.
    /// - Precondition: at least one run.
    public init(_ runs: [Run], groups: [Int64: String]) {
        let common = runs.dropFirst().reduce(Set(runs[0].predictions.keys)) { $0.intersection($1.predictions.keys) }
        // Clips that were relabelled between two runs have no truth in common.
        let videos = common.filter { video in Set(runs.map { $0.predictions[video]?.label }).count == 1 }.sorted()
        clips = videos.count
        leftOut = Set(runs.flatMap(\.predictions.keys)).count - videos.count
        let correct = runs.map { run in
            videos.map { run.predictions[$0].map { $0.label == $0.predicted } == true }
        }
        let places = Self.places(videos, groups)
        let accuracies = correct.map { Double($0.count { $0 }) / Double(max(1, videos.count)) }
        let shares = correct.map { ClusteredShare($0, places: places) }
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
                interval: ClusteredShare.gain(shares[first], shares[second]),
                probability: Statistics.mcNemar(onlyFirst: onlyFirst, onlySecond: onlySecond))
        }
        var seen: Set<String> = []
        var shown = runs.indices.filter { seen.insert(runs[$0].family).inserted }
        if shown.count == 1 { shown = Array(runs.indices) }
        // A stable order: of equals the first stands first.
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

    /// The group of each clip as a number; a clip without a source is a group of its own.
    private static func places(_ videos: [Int64], _ groups: [Int64: String]) -> [Int] {
        var numbers: [String: Int] = [:]
        return videos.map { video in
            let name = groups[video].map { "group " + $0 } ?? "clip \(video)"
            let number = numbers[name] ?? numbers.count
            numbers[name] = number
            return number
        }
    }

    /// 95 % interval of the share of clips named rightly, in which clips of one source count together.
    ///
    /// - `groups`: source of each clip that has one.
    public static func interval(_ predictions: [PredictionRecord], groups: [Int64: String]) -> Statistics.Interval {
        ClusteredShare(
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
            let (mean, deviation) = Statistics.meanAndDeviation(indices.map { accuracies[$0] })
            return Family(
                model: runs[indices[0]].summary.model, runs: indices.map { runs[$0].summary.name }, mean: mean,
                deviation: deviation)
        }
        .sorted { ($1.mean, $0.runs[0]) < ($0.mean, $1.runs[0]) }
    }
}

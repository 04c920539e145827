import FeatureCache

/// How runs are compared on the same clips, by the task.
protocol RunComparison {
    /// What the runs are ranked by.
    var scores: [Double] { get }
    /// 95 % interval of a run's score, clustered by source.
    func interval(_ run: Int) -> Statistics.Interval
    /// 95 % interval of the difference second − first, and its p-value.
    func difference(_ first: Int, _ second: Int) -> (interval: Statistics.Interval, probability: Double)
    /// By class or label, of the best run against the first one, largest first.
    func gains(_ run: Comparison.Run, best: Int, _ videos: [Int64]) -> [Comparison.ClassGain]
}

/// By accuracy, with McNemar's exact test.
struct ClassComparison: RunComparison {
    let scores: [Double]
    /// Whether each run classifies each clip correctly.
    private let correct: [[Bool]]
    private let shares: [ClusteredProportion]

    /// `places`: source of each clip.
    init(_ correct: [[Bool]], places: [Int]) {
        self.correct = correct
        scores = correct.map { own in Double(own.count { $0 }) / Double(max(1, own.count)) }
        shares = correct.map { ClusteredProportion($0, places: places) }
    }

    func interval(_ run: Int) -> Statistics.Interval { shares[run].interval }

    func difference(_ first: Int, _ second: Int) -> (interval: Statistics.Interval, probability: Double) {
        let both = zip(correct[first], correct[second])
        return (
            ClusteredProportion.gain(shares[first], shares[second]),
            Statistics.mcNemar(onlyFirst: both.count { $0 && !$1 }, onlySecond: both.count { !$0 && $1 })
        )
    }

    func gains(_ run: Comparison.Run, best: Int, _ videos: [Int64]) -> [Comparison.ClassGain] {
        var counts: [String: (clips: Int, first: Int, best: Int)] = [:]
        for (index, video) in videos.enumerated() {
            let label = run.predictions[video]?.label ?? ""
            let old = counts[label] ?? (0, 0, 0)
            counts[label] = (
                old.clips + 1, old.first + (correct[0][index] ? 1 : 0), old.best + (correct[best][index] ? 1 : 0)
            )
        }
        return counts.map { label, count in
            Comparison.ClassGain(
                label: label, clips: count.clips, first: Double(count.first) / Double(count.clips),
                best: Double(count.best) / Double(count.clips))
        }
        .sorted { ($1.best - $1.first, $0.label) < ($0.best - $0.first, $1.label) }
    }
}

/// By mean average precision, with the paired bootstrap.
struct LabelComparison: RunComparison {
    let scores: [Double]
    private let runs: [LabelScores]
    private let bootstrap: LabelBootstrap

    /// `predictions`: of each run, for the same clips. `groups`: source of each clip that has one.
    init(_ predictions: [[PredictionRecord]], _ runs: [Comparison.Run], groups: [String?]) {
        self.runs = zip(predictions, runs).map { LabelScores($0, labels: $1.labels) }
        bootstrap = LabelBootstrap(groups: groups)
        scores = self.runs.map { LabelMetrics($0, loss: .nan).meanAveragePrecision }
    }

    func interval(_ run: Int) -> Statistics.Interval { bootstrap.interval(runs[run]) }

    func difference(_ first: Int, _ second: Int) -> (interval: Statistics.Interval, probability: Double) {
        let comparison = bootstrap.compare(runs[first], runs[second])
        return (comparison.interval, comparison.probability)
    }

    func gains(_ run: Comparison.Run, best: Int, _ videos: [Int64]) -> [Comparison.ClassGain] {
        bootstrap.compare(runs[0], runs[best]).labels.map { gain in
            Comparison.ClassGain(
                label: gain.label, clips: gain.clips, first: gain.first, best: gain.second, interval: gain.interval)
        }
        .sorted { ($1.best - $1.first, $0.label) < ($0.best - $0.first, $1.label) }
    }
}

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
    func gains(best: Int) -> [Comparison.ClassGain]
}

/// By accuracy, with McNemar's exact test.
struct ClassComparison: RunComparison {
    let scores: [Double]
    /// Whether each run classifies each clip correctly.
    private let correct: [[Bool]]
    private let shares: [ClusteredProportion]
    private let predictions: [[PredictionRecord]]

    /// `predictions`: of each run, for the same clips. `places`: source of each clip.
    init(_ predictions: [[PredictionRecord]], places: [Int]) {
        let correct = predictions.map { $0.map { $0.label == $0.predicted } }
        (self.correct, self.predictions) = (correct, predictions)
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

    func gains(best: Int) -> [Comparison.ClassGain] {
        let labels = Set(predictions[0].map(\.label))
        return labels.map { label in
            let (first, second) = (Self.rates(label, predictions[0]), Self.rates(label, predictions[best]))
            return Comparison.ClassGain(
                label: label, clips: predictions[0].count { $0.label == label }, first: first.recall,
                best: second.recall, firstPrecision: first.precision, bestPrecision: second.precision,
                firstF1: first.f1, bestF1: second.f1)
        }
        .sorted { ($1.best - $1.first, $0.label) < ($0.best - $0.first, $1.label) }
    }
}

extension ClassComparison {
    /// Of one class, as decisions for a label.
    private static func rates(_ label: String, _ predictions: [PredictionRecord]) -> LabelDecisions.Rates {
        LabelDecisions.Counts(
            truePositives: predictions.count { $0.label == label && $0.predicted == label },
            predicted: predictions.count { $0.predicted == label }, positives: predictions.count { $0.label == label }
        ).rates
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

    func gains(best: Int) -> [Comparison.ClassGain] {
        bootstrap.compare(runs[0], runs[best]).labels.map { gain in
            Comparison.ClassGain(
                label: gain.label, clips: gain.clips, first: gain.first, best: gain.second, interval: gain.interval)
        }
        .sorted { ($1.best - $1.first, $0.label) < ($0.best - $0.first, $1.label) }
    }
}

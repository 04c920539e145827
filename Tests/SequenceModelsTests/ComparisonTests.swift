import Datasets
import NeuralNetwork
import TestSupport
import Testing
@testable import FeatureCache
@testable import SequenceModels

@Suite struct ComparisonTests {
    @Test(
        "McNemar's exact test equals SciPy's binomial test",
        arguments: [
            (9, 16, 0.22952), (0, 5, 0.0625), (30, 10, 0.0022214), (200, 260, 0.0058839), (3, 3, 1), (0, 0, 1),
        ])
    func mcNemar(first: Int, second: Int, expected: Double) {
        #expect(abs(Statistics.mcNemar(onlyFirst: first, onlySecond: second) - expected) < 1e-5)
        #expect(abs(Statistics.mcNemar(onlyFirst: second, onlySecond: first) - expected) < 1e-5)
    }

    @Test("standard deviations are sample standard deviations") func deviations() {
        let (mean, standardDeviation) = Statistics.meanAndStandardDeviation([0.5, 0.6, 0.8])
        #expect(abs(mean - 19.0 / 30) < 1e-12 && abs((standardDeviation ?? 0) - 0.15275252) < 1e-7)
        #expect(Statistics.meanAndStandardDeviation([0.5]).standardDeviation == nil)
    }

    static func run(_ name: String, family: String, right: (Int64) -> Bool, videos: Range<Int64>) -> Comparison.Run {
        let summary = RunSummary(
            name: name, model: family, dataset: "d", backbone: "b", seed: 1, state: "finished", startedAt: "",
            epochs: 3, seconds: 1, validationLoss: nil, validationAccuracy: nil, testAccuracy: nil)
        let predictions = videos.map { video in
            let label = video % 2 == 0 ? "even" : "odd"
            return PredictionRecord(
                videoID: video, split: "test", label: label, predicted: right(video) ? label : "other", probability: 1,
                probabilities: [1])
        }
        return .init(
            summary: summary, family: family,
            predictions: Dictionary(uniqueKeysWithValues: predictions.map { ($0.videoID, $0) }))
    }

    @Test("runs are compared on common clips: accuracies, pairs, classes, seeds") func compares() {
        let weak = Self.run("weak", family: "average", right: { $0 % 2 == 0 }, videos: 0..<100)
        let first = Self.run("first", family: "gru", right: { $0 % 10 != 1 }, videos: 0..<100)
        let second = Self.run("second", family: "gru", right: { $0 % 5 != 1 }, videos: 0..<110)
        let groups = Dictionary(uniqueKeysWithValues: (0..<100 as Range<Int64>).map { ($0, "g\($0 / 4)") })
        let comparison = Comparison([weak, first, second], groups: groups)
        #expect(comparison.clips == 100 && comparison.leftOut == 10)
        #expect(comparison.entries.map(\.accuracy) == [0.5, 0.9, 0.8])
        for entry in comparison.entries {
            #expect(entry.interval.lower <= entry.accuracy && entry.accuracy <= entry.interval.upper)
        }
        #expect(comparison.pairs.map { [$0.first, $0.second] } == [["weak", "first"]])
        let pair = comparison.pairs[0]
        #expect(pair.onlyFirst == 0 && pair.onlySecond == 40 && abs(pair.gain - 0.4) < 1e-12)
        #expect(pair.probability < 1e-4 && pair.interval.lower < 0.4 && pair.interval.upper > 0.4)
        let other = Self.run("other", family: "lstm", right: { $0 % 5 != 1 }, videos: 0..<100)
        let three = Comparison([weak, first, other], groups: groups).pairs.map { [$0.first, $0.second] }
        #expect(three == [["weak", "first"], ["weak", "other"], ["other", "first"]])
        #expect(comparison.classGains.map(\.label) == ["odd", "even"])
        #expect(comparison.classGains[0].first == 0 && comparison.classGains[0].best == 0.8)
        #expect(comparison.families.map(\.model) == ["gru", "average"])
        #expect(abs(comparison.families[0].mean - 0.85) < 1e-12 && comparison.families[0].runs == ["first", "second"])
        #expect(Comparison([weak, first], groups: [:]).families.count == 0)
    }
}

@Suite struct ShareIntervalTests {
    @Test("an interval over many independent clips is Wilson's, and wider if clips are grouped by source") func wilson()
    {
        let values = (0..<400).map { $0 % 4 != 0 }
        let single = ClusteredProportion(values, places: Array(0..<400)).interval
        // statsmodels' proportion_confint(300, 400, method="wilson").
        #expect(abs(single.lower - 0.70535) < 0.001 && abs(single.upper - 0.78995) < 0.001)
        // The same clips in 40 groups that are all correct or all wrong.
        let grouped = ClusteredProportion((0..<400).map { $0 / 10 % 4 != 0 }, places: (0..<400).map { $0 / 10 })
            .interval
        #expect(grouped.upper - grouped.lower > 2.5 * (single.upper - single.lower))
    }

    @Test("intervals of 0 % and 100 % accuracy have a positive width", arguments: [true, false]) func edges(
        isRight: Bool
    ) {
        let single = ClusteredProportion(Array(repeating: isRight, count: 96), places: Array(0..<96)).interval
        #expect(isRight ? single.upper == 1 : single.lower == 0)
        let other = isRight ? 1 - single.lower : single.upper
        #expect(other > 0.03 && other < 0.06)
        let grouped = ClusteredProportion(Array(repeating: isRight, count: 96), places: (0..<96).map { $0 / 4 })
            .interval
        #expect((isRight ? 1 - grouped.lower : grouped.upper) > 2 * other)
        let lone = ClusteredProportion([isRight, isRight], places: [0, 0]).interval
        #expect(lone == .init(lower: 0, upper: 1))
    }

    @Test("the interval of a difference is Newcombe's, and has a positive width if both runs are always correct")
    func gain() {
        // Newcombe 1998, table III: 36, 12, 2, 0 of 50 pairs; 0.0569 to 0.3404.
        let first = (0..<50).map { $0 < 36 || $0 >= 48 }
        let second = (0..<50).map { $0 < 48 }
        let places = Array(0..<50)
        let gain = ClusteredProportion.gain(
            ClusteredProportion(first, places: places), ClusteredProportion(second, places: places))
        #expect(abs(gain.lower - 0.0569) < 0.008 && abs(gain.upper - 0.3404) < 0.008)
        let right = ClusteredProportion(Array(repeating: true, count: 50), places: places)
        let same = ClusteredProportion.gain(right, right)
        #expect(same.lower < -0.03 && same.upper > 0.03)
    }

    @Test(
        "intervals cover the true share in about 95 % of cases, near 0 and 1 and with correlated clips of a source",
        arguments: [0.02, 0.5, 0.98], [0.0, 0.5])
    func coverage(share: Double, likeness: Double) {
        var generator = SplitMix64(seed: 3)
        let cases = 500
        let held = (0..<cases).count { _ in
            var (values, places): ([Bool], [Int]) = ([], [])
            for source in 0..<40 {
                // Each clip has the outcome of its source, or an independent one.
                let common = Double.random(in: 0..<1, using: &generator) < share
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    let follows = Double.random(in: 0..<1, using: &generator) < likeness.squareRoot()
                    values.append(follows ? common : Double.random(in: 0..<1, using: &generator) < share)
                    places.append(source)
                }
            }
            let interval = ClusteredProportion(values, places: places).interval
            return interval.lower <= share && share <= interval.upper
        }
        #expect(Double(held) / Double(cases) >= 0.92)
    }

    @Test(
        "Student's t quantiles equal SciPy's",
        arguments: [(1, 12.7062), (2, 4.30265), (3, 3.18245), (5, 2.57058), (10, 2.22814), (100, 1.98397)])
    func quantile(freedom: Double, expected: Double) {
        #expect(abs(ClusteredProportion.quantile(freedom: freedom) / expected - 1) < 0.006)
    }
}

@Suite struct UnknownAndUnscoredTests {
    private static func metrics(_ rows: [[Float]], _ targets: [Int], _ labels: [String]) -> Metrics {
        Metrics(
            logits: Tensor(shape: [rows.count, rows[0].count], values: rows.flatMap(\.self)), targets: targets,
            labels: labels)
    }

    @Test(
        "a non-finite score is never correct, not in any top k nor in the confusion matrix, and counts as a clip",
        arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(score: Float) {
        let rows: [[Float]] = [[score, 0], [0, score], [score, score], [2, 1]]
        let metrics = Self.metrics(rows, [0, 0, 1, 0], ["a", "b"])
        #expect(metrics.count == 4 && metrics.accuracy == 0.25 && metrics.accuracy(top: 2) == 0.25)
        #expect(metrics.confusion == [[1, 0], [0, 0]] && metrics.unscored == [2, 1] && !metrics.isFinite)
        #expect(metrics.perClass(0) == (3, 1) && metrics.perClass(1) == (1, 0))
        #expect(metrics.balancedAccuracy.isNear(1.0 / 6))
        #expect(Metrics.correct(Tensor(shape: [4, 2], values: rows.flatMap(\.self)), targets: [0, 0, 1, 0]) == 1)
    }

    @Test(
        "clips of classes unknown to the head count as wrong, as scikit-learn counts labels that are never predicted"
    ) func unknownClasses() {
        // sklearn.metrics on y_true = [a, a, b, c, c, d], y_pred = [a, b, b, a, b, a]: accuracy 2/6, balanced accuracy
        // (1/2 + 1 + 0 + 0) / 4, macro F1 (2/5 + 1/2 + 0 + 0) / 4.
        let rows: [[Float]] = [[1, 0], [0, 1], [0, 1], [1, 0], [0, 1], [1, 0]]
        let metrics = Self.metrics(rows, [0, 0, 1, 2, 2, 3], ["a", "b", "c", "d"])
        #expect(metrics.accuracy.isNear(2.0 / 6) && metrics.balancedAccuracy.isNear(0.375))
        #expect(metrics.macroF1.isNear(0.225))
        #expect(metrics.unknown.count == 3 && metrics.unknown.labels == ["c", "d"])
        #expect(metrics.accuracy(top: 4).isNear(0.5))
        // The loss is the mean over the three clips whose class has a score.
        #expect(metrics.loss.isNear(Self.metrics(Array(rows[..<3]), [0, 0, 1], ["a", "b"]).loss))
        let known = metrics.ofKnownClasses
        #expect(known.count == 3 && known.accuracy.isNear(2.0 / 3) && known.labels == ["a", "b"])
        #expect(known == Self.metrics(Array(rows[..<3]), [0, 0, 1], ["a", "b"]))
    }

    @Test("stored predictions without probabilities count as wrong, and those of unknown classes too") func stored() {
        let predictions: [PredictionRecord] = [
            .init(videoID: 1, split: "test", label: "a", predicted: "a", probability: 0.9, probabilities: [0.9, 0.1]),
            .unscored(videoID: 2, split: "test", label: "a"),
            .init(videoID: 3, split: "test", label: "z", predicted: "a", probability: 0.6, probabilities: [0.6, 0.4]),
        ]
        let metrics = Metrics(predictions, labels: ["a", "b"])
        #expect(metrics.count == 3 && metrics.accuracy.isNear(1.0 / 3) && !metrics.isFinite)
        #expect(metrics.labels == ["a", "b", "z"])
        let scores = ScoreMetrics(predictions, labels: ["a", "b"])
        // A class without a score is never predicted.
        #expect(scores.averagePrecision == [1, nil, 0] && scores.roc == nil)
        #expect(
            DatasetConfiguration.Task.classification.known(predictions, labels: ["a", "b"]).map(\.videoID) == [1, 2])
    }

    @Test("a loss of more than ten times that of a uniform guess is absurd, a smaller one is not") func absurdLoss() {
        #expect(Self.metrics([[0, 7]], [0], ["a", "b"]).isLossAbsurd)
        #expect(!Self.metrics([[0, 6]], [0], ["a", "b"]).isLossAbsurd)
        #expect(!Self.metrics([[.nan, 6]], [0], ["a", "b"]).isLossAbsurd)
        let metrics = Self.metrics([[0, 50_000]], [0], ["a", "b"])
        let warning = SequenceRun.warnings([.validation: .classes(metrics)]).first ?? ""
        #expect(
            warning.contains("loss of the validation clips is 50000, and that of uniform guessing is 0.693"),
            "\(warning)")
    }
}

import FeatureCache
import Testing

@testable import SequenceModels

@Suite struct ComparisonTests {
    @Test(
        "McNemar's exact test gives SciPy's binomial test",
        arguments: [
            (9, 16, 0.22952), (0, 5, 0.0625), (30, 10, 0.0022214), (200, 260, 0.0058839), (3, 3, 1), (0, 0, 1),
        ])
    func mcNemar(first: Int, second: Int, expected: Double) {
        #expect(abs(Statistics.mcNemar(onlyFirst: first, onlySecond: second) - expected) < 1e-5)
        #expect(abs(Statistics.mcNemar(onlyFirst: second, onlySecond: first) - expected) < 1e-5)
    }

    @Test("deviations are those of a sample") func deviations() {
        let (mean, deviation) = Statistics.meanAndDeviation([0.5, 0.6, 0.8])
        #expect(abs(mean - 19.0 / 30) < 1e-12 && abs((deviation ?? 0) - 0.15275252) < 1e-7)
        #expect(Statistics.meanAndDeviation([0.5]).deviation == nil)
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

    @Test("clips that all runs know are compared: accuracies, pairs, classes, seeds") func compares() {
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

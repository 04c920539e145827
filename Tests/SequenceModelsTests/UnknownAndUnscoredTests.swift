import FeatureCache
import NeuralNetwork
import Testing
import TestSupport

@testable import SequenceModels

@Suite struct UnknownAndUnscoredTests {
    private static func metrics(_ rows: [[Float]], _ targets: [Int], _ labels: [String]) -> Metrics {
        Metrics(
            logits: Tensor(shape: [rows.count, rows[0].count], values: rows.flatMap(\.self)), targets: targets,
            labels: labels)
    }

    @Test(
        "a score that is no number is never right, in no top k, in no column, and counts",
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
        "clips of classes that the head does not know are wrong, as scikit-learn counts labels that are never predicted"
    ) func unknownClasses() {
        // sklearn.metrics on y_true = [a, a, b, c, c, d], y_pred = [a, b, b, a, b, a]: accuracy 2/6, balanced accuracy
        // (1/2 + 1 + 0 + 0) / 4, macro F1 (2/5 + 1/2 + 0 + 0) / 4.
        let rows: [[Float]] = [[1, 0], [0, 1], [0, 1], [1, 0], [0, 1], [1, 0]]
        let metrics = Self.metrics(rows, [0, 0, 1, 2, 2, 3], ["a", "b", "c", "d"])
        #expect(metrics.accuracy.isNear(2.0 / 6) && metrics.balancedAccuracy.isNear(0.375))
        #expect(metrics.macroF1.isNear(0.225))
        #expect(metrics.unknown.count == 3 && metrics.unknown.labels == ["c", "d"])
        #expect(metrics.accuracy(top: 4).isNear(0.5))
        // The loss is that of the three clips whose class has a score.
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
        // A class without a score is never found.
        #expect(scores.averagePrecision == [1, nil, 0] && scores.roc == nil)
        #expect(Metrics.known(predictions, labels: ["a", "b"]).map(\.videoID) == [1, 2])
    }

    @Test("a loss of more than ten times that of guessing is absurd, one below is not") func absurdLoss() {
        #expect(Self.metrics([[0, 7]], [0], ["a", "b"]).isLossAbsurd)
        #expect(!Self.metrics([[0, 6]], [0], ["a", "b"]).isLossAbsurd)
        #expect(!Self.metrics([[.nan, 6]], [0], ["a", "b"]).isLossAbsurd)
        let metrics = Self.metrics([[0, 50_000]], [0], ["a", "b"])
        let warning = SequenceRun.warnings([.validation: metrics]).first ?? ""
        #expect(
            warning.contains("loss of the validation clips is 50000, and that of uniform guessing is 0.693"),
            "\(warning)")
    }
}

import TestSupport
import Testing
@testable import SequenceModels

@Suite struct LabelThresholdsTests {
    @Test("the F1 at the threshold is the best on scikit-learn's precision–recall curve") func parity() {
        for golden in LabelMetricsTests.goldens {
            let input = golden.input
            let thresholds = LabelThresholds(input)
            let decisions = LabelDecisions(input, thresholds: thresholds.values)
            for (label, best) in golden.bestF1.enumerated() {
                let threshold = thresholds.values[label]
                #expect(threshold > 0 && threshold < 1)
                let isTrivial = [0, input.count].contains(input.positives[label])
                #expect((thresholds.f1[label] == nil) == isTrivial)
                guard let best, !isTrivial else {
                    #expect(threshold == 0.5)
                    continue
                }
                #expect(abs(decisions.classes[label].rates.f1 - best) < 1e-12)
                #expect(thresholds.f1[label].map { abs($0 - best) < 1e-12 } == true)
            }
        }
    }

    @Test("the threshold is the midpoint between two scores, the highest with the best F1")
    func midpoint() {
        func threshold(_ scores: [Double], _ truth: [Bool]) -> Double {
            let input = LabelScores(probabilities: scores.map { [$0] }, truth: truth.map { [$0] }, labels: ["a"])
            return LabelThresholds(input).values[0]
        }
        #expect(threshold([0.75, 0.25], [true, false]) == 0.5)
        #expect(threshold([0.25, 0.75, 0.5], [true, true, false]) == 0.125)
        // One of two, and three of four predicted clips: 2/3 both.
        #expect(threshold([0.9, 0.7, 0.5, 0.3], [true, false, false, true]) == (0.9 + 0.7) / 2)
        #expect(threshold([1, 0], [true, false]) == 0.5)
        #expect(threshold([1, 1, 1], [true, false, false]) == 0.5)
        // Scores of 0 are never predicted.
        #expect(threshold([0, 0], [true, false]) == 0.5)
        let close = threshold([Double(0.5).nextUp, 0.5], [true, false])
        #expect(close > 0 && close < 1)
    }

    @Test("labels that no scored clip or every one has keep 0.5") func trivial() {
        let input = LabelScores(
            probabilities: [[0.2, 0.2, 0.9], [0.3, 0.3, 0.1], [.nan, 0, 0]],
            truth: [[true, false, false], [true, false, false], [false, true, true]], labels: ["a", "b", "c"])
        #expect(LabelThresholds(input) == LabelThresholds(input))
        #expect(LabelThresholds(input).values == [0.5, 0.5, 0.5])
        #expect(LabelThresholds(LabelScores(probabilities: [], truth: [], labels: ["a"])).values == [0.5])
        #expect(
            LabelThresholds(LabelScores(probabilities: [[]], truth: [[true]], labels: ["a"], known: 0)).values == [])
    }
}

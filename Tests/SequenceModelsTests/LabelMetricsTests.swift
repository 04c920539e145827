import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Training
@testable import SequenceModels

/// Compared with scikit-learn, YouTube-8M's and Charades' evaluation; `Tests/Parity/label_metrics_goldens.py` made the
/// files.
@Suite struct LabelMetricsTests {
    struct Golden: Decodable, Sendable {
        struct Decisions: Decodable, Sendable {
            let classes: [[Double]]
            let macro, weighted: [Double]?
            let micro: [Double]
            let subsetAccuracy, hammingLoss: Double

            enum CodingKeys: String, CodingKey {
                case classes, macro, weighted, micro, subsetAccuracy = "subset_accuracy", hammingLoss = "hamming_loss"
            }
        }

        let truth: [String]
        let scores: [[Double]]
        let thresholds: [Double]
        let averagePrecision: [Double?]
        let macro, micro, weighted: Double?
        let atThresholds, atHalf: Decisions
        let coverageError, ranking: Double
        let bestF1: [Double?]
        let curve: [[Double]]?

        enum CodingKeys: String, CodingKey {
            case truth, scores, thresholds, macro, micro, weighted, ranking, curve, bestF1 = "best_f1"
            case averagePrecision = "average_precision", coverageError = "coverage_error", atHalf = "at_half"
            case atThresholds = "at_thresholds"
        }

        var input: LabelScores {
            LabelScores(
                probabilities: scores, truth: truth.map { $0.map { $0 == "1" } },
                labels: thresholds.indices.map { "label \($0)" })
        }
    }

    struct Evaluation: Decodable, Sendable {
        let truth: [String]
        let scores: [[Double]]
        let gap, charades: Double
    }

    static let goldens: [Golden] = fixture("label_metrics", in: .module)
    static let protocols: [Evaluation] = fixture("label_protocols", in: .module)

    /// Both nil or NaN, or equal within rounding.
    static func areEqual(_ own: Double?, _ theirs: Double?) -> Bool {
        guard let theirs else { return own.map(\.isNaN) ?? true }
        return own.map { abs($0 - theirs) < 1e-12 } ?? false
    }

    static func areEqual(_ own: LabelDecisions.Rates, _ theirs: [Double]?) -> Bool {
        zip([own.precision, own.recall, own.f1], theirs?.map { $0 } ?? [nil, nil, nil]).allSatisfy(areEqual)
    }

    @Test("average precisions and ranking metrics equal scikit-learn's, including ties and labels without clips")
    func scores() {
        for golden in Self.goldens {
            let metrics = LabelMetrics(golden.input, loss: 0.5)
            #expect(metrics.count == golden.truth.count && metrics.isFinite && metrics.loss == 0.5)
            #expect(zip(metrics.averagePrecision, golden.averagePrecision).allSatisfy(Self.areEqual))
            #expect(Self.areEqual(metrics.meanAveragePrecision, golden.macro))
            #expect(Self.areEqual(metrics.microAveragePrecision, golden.micro))
            #expect(Self.areEqual(metrics.weightedAveragePrecision, golden.weighted))
            #expect(Self.areEqual(metrics.coverageError, golden.coverageError))
            #expect(Self.areEqual(metrics.rankingAveragePrecision, golden.ranking))
        }
    }

    @Test("precision, recall and F1, subset accuracy and Hamming loss equal scikit-learn's") func decisions() {
        for golden in Self.goldens {
            let metrics = LabelMetrics(golden.input, loss: 0, thresholds: golden.thresholds)
            for (own, theirs) in [(metrics.atThresholds, golden.atThresholds), (metrics.atHalf, golden.atHalf)] {
                #expect(own.classes.count == theirs.classes.count)
                #expect(zip(own.classes.map(\.rates), theirs.classes).allSatisfy(Self.areEqual))
                #expect(Self.areEqual(own.macro, theirs.macro))
                #expect(Self.areEqual(own.micro, theirs.micro))
                #expect(Self.areEqual(own.weighted, theirs.weighted))
                #expect(Self.areEqual(own.subsetAccuracy, theirs.subsetAccuracy))
                #expect(Self.areEqual(own.hammingLoss, theirs.hammingLoss))
            }
        }
    }

    @Test("precision–recall curves equal scikit-learn's") func curves() {
        for golden in Self.goldens {
            let input = golden.input
            guard let theirs = golden.curve, let label = golden.bestF1.firstIndex(where: { $0 != nil }) else {
                continue
            }
            let own = input.precisionRecallCurve(label)
            #expect(own.count == theirs.count)
            for (own, theirs) in zip(own, theirs) {
                #expect(zip([own.threshold, own.precision, own.recall], theirs).allSatisfy(Self.areEqual))
            }
        }
    }

    @Test("GAP@20 equals YouTube-8M's, and mAP Charades', on draws without ties") func protocols() {
        for golden in Self.protocols {
            let input = LabelScores(
                probabilities: golden.scores, truth: golden.truth.map { $0.map { $0 == "1" } },
                labels: golden.scores[0].indices.map { "\($0)" })
            let metrics = LabelMetrics(input, loss: 0)
            #expect(Self.areEqual(metrics.globalAveragePrecision, golden.gap))
            #expect(Self.areEqual(metrics.charadesMeanAveragePrecision, golden.charades))
        }
    }

    @Test("the 20 most probable labels of a clip are the first of equal ones") func cut() {
        let truth = (0..<30).map { $0 == 19 || $0 == 20 }
        let input = LabelScores(
            probabilities: [Array(repeating: 0.5, count: 30)], truth: [truth], labels: (0..<30).map { "\($0)" })
        // One of two positives is among 20 equal scores.
        #expect(abs(input.globalAveragePrecision(top: 20) - 1.0 / 20 / 2) < 1e-12)
        #expect(abs(input.globalAveragePrecision(top: 30) - 2.0 / 30) < 1e-12)
    }

    @Test("an unscored clip never improves a metric", arguments: [[0.9, .nan], [.infinity, 0.1], [], [0.9]])
    func unscored(row: [Double]) {
        let truth = [[true, false], [false, true], [true, true], [false, false]]
        let scores = [[0.9, 0.2], [0.3, 0.8], [0.7, 0.6], [0.1, 0.2]]
        let good = LabelMetrics(LabelScores(probabilities: scores, truth: truth, labels: ["a", "b"]), loss: 0)
        #expect(good.meanAveragePrecision == 1 && good.atHalf.subsetAccuracy == 1 && good.atHalf.hammingLoss == 0)
        #expect(good.rankingAveragePrecision == 1 && good.globalAveragePrecision == 1)
        for clip in 0..<4 {
            var broken = scores
            broken[clip] = row
            let input = LabelScores(probabilities: broken, truth: truth, labels: ["a", "b"])
            let metrics = LabelMetrics(input, loss: .nan)
            #expect(metrics.unscored == 1 && !metrics.isFinite && metrics.positives == good.positives)
            #expect(metrics.meanAveragePrecision <= 1 && metrics.globalAveragePrecision <= 1)
            #expect(metrics.meanAveragePrecision < 1 || clip == 3)
            #expect(metrics.rankingAveragePrecision == 0.75 && metrics.coverageError >= good.coverageError)
            #expect(metrics.atHalf.subsetAccuracy == 0.75 && metrics.atHalf.hammingLoss == 0.25)
            #expect(metrics.atHalf.micro.recall < 1 || clip == 3)
        }
    }

    @Test("labels that the head lacks have an average precision of 0 and count as missed") func unknown() {
        let input = LabelScores(
            probabilities: [[0.9], [0.2]], truth: [[true, true, false], [false, false, false]],
            labels: ["a", "b", "c"], known: 1)
        let metrics = LabelMetrics(input, loss: 0)
        #expect(metrics.averagePrecision == [1, 0, nil] && metrics.meanAveragePrecision == 0.5)
        #expect(metrics.microAveragePrecision == 0.5 && metrics.globalAveragePrecision == 0.5)
        #expect(metrics.charadesMeanAveragePrecision == 0.5 && metrics.weightedAveragePrecision == 0.5)
        #expect(metrics.knownClasses == 1 && metrics.positives == [1, 1, 0])
        #expect(metrics.coverageError == 1.5 && metrics.rankingAveragePrecision == 0.75)
        #expect(metrics.atHalf.subsetAccuracy == 0.5 && abs(metrics.atHalf.hammingLoss - 1.0 / 6) < 1e-12)
        #expect(metrics.atHalf.micro.recall == 0.5 && metrics.atHalf.macro.f1 == 0.5)
        #expect(input.precisionRecallCurve(1).isEmpty && input.precisionRecallCurve(-1).isEmpty)
    }

    @Test("logits and stored predictions give the same metrics as probabilities") func inputs() {
        let golden = Self.goldens[1]
        let logits = golden.scores.map { $0.map { Float(log($0 / (1.0001 - $0))) } }
        let tensor = Tensor(shape: [logits.count, golden.thresholds.count], values: logits.flatMap(\.self))
        let truth = golden.truth.map { $0.map { $0 == "1" } }
        let own = LabelScores(logits: tensor, truth: truth, labels: golden.input.labels)
        let probabilities = logits.map { $0.map { 1 / (1 + exp(-Double($0))) } }
        let expected = LabelScores(probabilities: probabilities, truth: truth, labels: golden.input.labels)
        let records = truth.indices.map { clip in
            let names = golden.input.labels.indices.filter { truth[clip][$0] }.map { golden.input.labels[$0] }
            return PredictionRecord(
                videoID: Int64(clip), split: "test", label: LabelSet.text(names), predicted: "[]", probability: 0,
                probabilities: probabilities[clip])
        }
        let stored = LabelScores(records, labels: golden.input.labels)
        for input in [own, stored] {
            #expect(LabelMetrics(input, loss: 0) == LabelMetrics(expected, loss: 0))
        }
        let loss = BinaryCrossEntropy()(tensor, targets: truth.flatMap { $0.map { $0 ? 1 : 0 } }).loss
        #expect(abs(own.crossEntropy - loss) < 1e-9)
        let broken = PredictionRecord.unscored(videoID: 9, split: "test", label: #"["label 0","new"]"#)
        let input = LabelScores(records + [broken], labels: golden.input.labels)
        #expect(input.unscored == 1 && input.labels.last == "new" && input.crossEntropy.isNaN)
        #expect(input.positives[0] == own.positives[0] + 1 && input.positives.last == 1)
    }

    @Test("metrics without clips or labels are NaN") func empty() {
        let none = LabelMetrics(LabelScores(probabilities: [], truth: [], labels: ["a"]), loss: .nan)
        #expect(none.count == 0 && none.averagePrecision == [nil] && none.meanAveragePrecision.isNaN)
        #expect(none.microAveragePrecision.isNaN && none.globalAveragePrecision.isNaN)
        #expect(none.atHalf.subsetAccuracy.isNaN && none.atHalf.hammingLoss.isNaN && none.atHalf.macro.f1.isNaN)
        #expect(none.coverageError.isNaN && none.rankingAveragePrecision.isNaN && none.isFinite)
        let bare = LabelMetrics(LabelScores(probabilities: [[], []], truth: [[], []], labels: []), loss: .nan)
        #expect(bare.count == 2 && bare.averagePrecision.isEmpty && bare.atHalf.hammingLoss.isNaN)
        let missing = LabelMetrics(LabelScores(probabilities: [], truth: [[true]], labels: ["a"], known: 5), loss: 0)
        #expect(missing.unscored == 1 && missing.averagePrecision == [0] && missing.knownClasses == 1)
    }
}

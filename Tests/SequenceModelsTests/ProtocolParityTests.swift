import Datasets
import FeatureCache
import Foundation
import TestSupport
import Testing
@testable import SequenceModels

/// Compared with scikit-learn; `Tests/Parity/protocol_goldens.py` made the file.
@Suite struct ProtocolParityTests {
    struct Goldens: Decodable {
        let scores: [Scores]
        let folds: [Cut]
    }

    struct Scores: Decodable, Sendable {
        let labels: [String]
        let truth: [Int]
        let probabilities: [[Double]]
        let balancedAccuracy, macroF1: Double
        let precision, recall, f1, averagePrecision: [Double]
        let roc, rocOfFirst: ROC?

        struct ROC: Decodable, Sendable {
            let area, threshold: Double
            let `true`, `false`: Double
            let atHalf, atThreshold: [Double]

            enum CodingKeys: String, CodingKey {
                case area, threshold, `true`, `false`, atHalf = "at_half", atThreshold = "at_threshold"
            }
        }

        enum CodingKeys: String, CodingKey {
            case labels, truth, probabilities, precision, recall, f1, roc, balancedAccuracy = "balanced_accuracy"
            case macroF1 = "macro_f1", averagePrecision = "average_precision"
            case rocOfFirst = "roc_of_first"
        }

        var predictions: [PredictionRecord] {
            zip(truth, probabilities).enumerated().map { index, entry in
                let (truth, own) = entry
                let best = own.indices.max { (own[$0], -$0) < (own[$1], -$1) } ?? 0
                return PredictionRecord(
                    videoID: Int64(index), split: "test", label: labels[truth], predicted: labels[best],
                    probability: own[best], probabilities: own)
            }
        }
    }

    struct Cut: Decodable, Sendable {
        let labels, groups: [Int]
        let folds: Int
        let deviation: Double
    }

    static let goldens: Goldens = fixture("protocols", in: .module)

    @Test("metrics equal scikit-learn's, including ties", arguments: goldens.scores) func metrics(golden: Scores) throws
    {
        let metrics = Metrics(golden.predictions, labels: golden.labels)
        let scores = ScoreMetrics(golden.predictions, labels: golden.labels)
        #expect(abs(metrics.balancedAccuracy - golden.balancedAccuracy) < 1e-12)
        #expect(abs(metrics.macroF1 - golden.macroF1) < 1e-12)
        for label in golden.labels.indices {
            #expect(abs(metrics.precision(label) - golden.precision[label]) < 1e-12)
            #expect(abs((metrics.recall(label) ?? .nan) - golden.recall[label]) < 1e-12)
            #expect(abs(metrics.f1(label) - golden.f1[label]) < 1e-12)
        }
        for (own, theirs) in zip(scores.averagePrecision, golden.averagePrecision) {
            #expect(abs((own ?? .nan) - theirs) < 1e-12)
        }
        #expect((scores.roc == nil) == (golden.roc == nil))
        if let own = scores.roc, let theirs = golden.roc {
            #expect(own.positive == golden.labels[1])
            #expect(abs(own.area - theirs.area) < 1e-12)
            #expect(own.threshold == theirs.threshold)
            #expect(own.curve.first == .init(falsePositives: 0, truePositives: 0))
            #expect(own.curve.last == .init(falsePositives: 1, truePositives: 1))
            let steps = zip(own.curve, own.curve.dropFirst())
            let area = steps.reduce(0) {
                $0 + ($1.1.falsePositives - $1.0.falsePositives) * ($1.1.truePositives + $1.0.truePositives) / 2
            }
            #expect(abs(area - theirs.area) < 1e-12)
            #expect(abs(own.truePositives - theirs.true) < 1e-12 && abs(own.falsePositives - theirs.false) < 1e-12)
        }
    }

    @Test("the positive class of two can be chosen, and its metrics at both thresholds equal scikit-learn's")
    func positive() throws {
        let golden = try #require(Self.goldens.scores.first { $0.roc != nil })
        for (name, theirs) in [(golden.labels[1], golden.roc), (golden.labels[0], golden.rocOfFirst)] {
            let scores = ScoreMetrics(golden.predictions, labels: golden.labels, positive: name)
            let (own, theirs) = (try #require(scores.roc), try #require(theirs))
            #expect(own.positive == name && abs(own.area - theirs.area) < 1e-12)
            #expect(own.threshold == theirs.threshold)
            for (own, theirs) in [(own.atHalf, theirs.atHalf), (own.atThreshold, theirs.atThreshold)] {
                let found = [own.precision, own.recall, own.f1, own.specificity]
                #expect(zip(found, theirs).allSatisfy { abs($0 - $1) < 1e-12 })
            }
        }
        let second = ScoreMetrics(golden.predictions, labels: golden.labels)
        #expect(second == ScoreMetrics(golden.predictions, labels: golden.labels, positive: golden.labels[1]))
        #expect(ScoreMetrics(golden.predictions, labels: golden.labels, positive: "other").roc == nil)
    }

    @Test("a positive class that is never predicted has precision, recall and F1 of 0") func neverPositive() throws {
        let predictions = [("a", 0.2), ("b", 0.1)].enumerated().map { index, clip in
            PredictionRecord(
                videoID: Int64(index), split: "test", label: clip.0, predicted: "a", probability: 1 - clip.1,
                probabilities: [1 - clip.1, clip.1])
        }
        let roc = try #require(ScoreMetrics(predictions, labels: ["a", "b"]).roc)
        let none = ScoreMetrics.ROC.Decisions(precision: 0, recall: 0, f1: 0, specificity: 1)
        #expect(roc.atHalf == none && roc.atThreshold == none && roc.threshold == 1)
    }

    @Test("folds are group-aware and as balanced as those of StratifiedGroupKFold", arguments: goldens.folds)
    func folds(golden: Cut) throws {
        let examples = golden.labels.indices.map {
            (label: "\(golden.labels[$0])", group: Optional("\(golden.groups[$0])"), name: "\($0)")
        }
        var deviations: [Double] = []
        for seed in 0..<20 {
            let folds = try Folds.assign(golden.folds, examples: examples, seed: UInt64(seed))
            #expect(Set(folds) == Set(0..<golden.folds))
            let byGroup = Dictionary(grouping: folds.indices, by: { golden.groups[$0] })
            #expect(byGroup.values.allSatisfy { Set($0.map { folds[$0] }).count == 1 })
            var worst = 0.0
            for label in Set(golden.labels) {
                let own = folds.indices.filter { golden.labels[$0] == label }
                for fold in 0..<golden.folds {
                    let share = Double(own.count { folds[$0] == fold }) / Double(own.count)
                    worst = max(worst, abs(share - 1 / Double(golden.folds)))
                }
            }
            deviations.append(worst)
        }
        #expect(deviations.reduce(0, +) / 20 <= golden.deviation * 1.1 + 1e-9)
    }
}

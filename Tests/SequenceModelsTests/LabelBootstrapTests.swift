import Datasets
import TestSupport
import Testing
@testable import SequenceModels

/// Compared with a plain bootstrap; `Tests/Parity/label_bootstrap_goldens.py` made the file.
@Suite struct LabelBootstrapTests {
    struct Golden: Decodable, Sendable {
        let groups: [String?]
        let truth: [String]
        let runs: [[[Double]]]
        let seed: UInt64
        let resamples: Int
        let intervals: [[Double]]
        let gain: [Double]
        let gains: [[Double]]
        let probability: Double

        var bootstrap: LabelBootstrap { LabelBootstrap(groups: groups, seed: seed, resamples: resamples) }

        func input(_ run: Int) -> LabelScores {
            LabelScores(
                probabilities: runs[run], truth: truth.map { $0.map { $0 == "1" } },
                labels: gains.indices.map { "label \($0)" })
        }
    }

    static let goldens: [Golden] = fixture("label_bootstrap", in: .module)

    static func areEqual(_ own: Statistics.Interval, _ theirs: [Double]) -> Bool {
        abs(own.lower - theirs[0]) < 1e-12 && abs(own.upper - theirs[1]) < 1e-12
    }

    @Test("intervals and p-values equal those of a plain bootstrap with the same resamples", arguments: goldens)
    func parity(golden: Golden) {
        for run in 0..<2 {
            #expect(Self.areEqual(golden.bootstrap.bootstrapInterval(golden.input(run)), golden.intervals[run]))
        }
        let comparison = golden.bootstrap.compare(golden.input(0), golden.input(1))
        #expect(Self.areEqual(comparison.interval, golden.gain))
        #expect(abs(comparison.probability - golden.probability) < 1e-10)
        #expect(comparison.labels.count == golden.gains.count)
        for (own, theirs) in zip(comparison.labels, golden.gains) { #expect(Self.areEqual(own.interval, theirs)) }
        let means = (0..<2).map { LabelMetrics(golden.input($0), loss: 0).meanAveragePrecision }
        #expect(comparison.first == means[0] && comparison.second == means[1])
        #expect(comparison.gain == means[1] - means[0])
    }

    @Test("identical runs differ by exactly 0, and the order of the labels does not matter") func pairing() {
        let golden = Self.goldens[0]
        let input = golden.input(0)
        let same = golden.bootstrap.compare(input, input)
        #expect(same.gain == 0 && same.interval == .init(lower: 0, upper: 0) && same.probability == 1)
        #expect(same.labels.allSatisfy { $0.gain == 0 && $0.interval == .init(lower: 0, upper: 0) })
        let turned = LabelScores(
            probabilities: golden.runs[1].map { $0.reversed() },
            truth: golden.truth.map { $0.reversed().map { $0 == "1" } }, labels: input.labels.reversed())
        let (one, other) = (golden.bootstrap.compare(input, golden.input(1)), golden.bootstrap.compare(input, turned))
        #expect(one == other)
        let back = golden.bootstrap.compare(golden.input(1), input)
        #expect(abs(back.gain + one.gain) < 1e-12 && abs(back.interval.lower + one.interval.upper) < 1e-12)
        #expect(back.probability == one.probability)
    }

    @Test("fewer than four sources, no clips and no labels give the widest interval") func undefined() {
        let input = LabelScores(
            probabilities: [[0.9], [0.2], [0.9], [0.9]], truth: [[true], [false], [true], [true]], labels: ["a"])
        for groups in [["x", "x", "x", "x"], ["x", "y", "z", "z"]] {
            let few = LabelBootstrap(groups: groups)
            #expect(few.interval(input) == .init(lower: 0, upper: 1))
            let comparison = few.compare(input, input)
            #expect(comparison.interval == .init(lower: -1, upper: 1) && comparison.probability == 1)
            #expect(comparison.labels.map(\.interval) == [.init(lower: -1, upper: 1)])
        }
        let all = LabelBootstrap(groups: ["x", "y", "z", nil])
        #expect(all.bootstrapInterval(input) == .init(lower: 1, upper: 1))
        // Three positives of four clips, and one more of five at the last rank.
        let interval = all.interval(input)
        #expect(interval.upper == 1 && abs(interval.lower - (3 + 4.0 / 5) / 4) < 1e-12)
        let none = LabelScores(probabilities: [], truth: [], labels: ["a"])
        #expect(LabelBootstrap(groups: []).interval(none) == .init(lower: 0, upper: 1))
        let empty = LabelScores(probabilities: [[], []], truth: [[], []], labels: [])
        #expect(LabelBootstrap(groups: [nil, nil]).interval(empty) == .init(lower: 0, upper: 1))
        let nothing = LabelBootstrap(groups: [nil, nil]).compare(empty, empty)
        #expect(nothing.gain.isNaN && nothing.probability == 1 && nothing.labels.isEmpty)
    }

    @Test("a label that only one head knows has an average precision of 0 for the other") func unknown() {
        let truth = (0..<20).map { [$0 % 2 == 0] }
        let known = LabelScores(probabilities: truth.map { [$0[0] ? 0.9 : 0.1] }, truth: truth, labels: ["a"])
        let unknown = LabelScores(probabilities: truth.map { _ in [] }, truth: truth, labels: ["a"], known: 0)
        let comparison = LabelBootstrap(groups: truth.map { _ in nil }).compare(known, unknown)
        #expect(comparison.first == 1 && comparison.second == 0 && comparison.gain == -1)
        #expect(comparison.interval == .init(lower: -1, upper: -1) && comparison.probability < 0.01)
    }

    @Test("tail probabilities of Student's t equal SciPy's") func student() {
        for (value, freedom, expected) in [
            (0, 3, 1), (1, 1, 0.5), (2, 2, 0.183503419072274), (3, 5, 0.0300992478974626),
            (2, 6, 0.0924263115316751), (1.96, 1000, 0.0502731849557487),
        ] as [(Double, Int, Double)] {
            #expect(abs(LabelBootstrap.student(value, freedom: freedom) - expected) < 1e-9, "\(value) \(freedom)")
        }
    }

    @Test("about 95 % of the intervals contain the mean average precision of the population") func coverage() {
        // Scores of four levels, so that the average precision of the population is a sum.
        let (share, hit, miss) = (0.4, [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4])
        var (expected, positives, all) = (0.0, 0.0, 0.0)
        for level in 0..<4 {
            positives += share * hit[level]
            all += share * hit[level] + (1 - share) * miss[level]
            expected += hit[level] * positives / all
        }
        var generator = SplitMix64(seed: 4)
        func uniform() -> Double { Double(generator.next() >> 11) * 0x1p-53 }
        func level(_ shares: [Double]) -> Double {
            var (place, rest) = (0, uniform())
            while place < 3, rest >= shares[place] {
                rest -= shares[place]
                place += 1
            }
            return 1 - 0.2 * Double(place + 1)
        }
        let (trials, sources) = (200, 60)
        var inside = 0
        for trial in 0..<trials {
            // Two clips of one source have the same labels.
            let truth = (0..<sources).flatMap { _ in
                Array(repeating: [uniform() < share, uniform() < share], count: 2)
            }
            let input = LabelScores(
                probabilities: truth.map { $0.map { level($0 ? hit : miss) } }, truth: truth, labels: ["a", "b"])
            let groups = truth.indices.map { Optional("\($0 / 2)") }
            let interval = LabelBootstrap(groups: groups, seed: UInt64(trial), resamples: 200).interval(input)
            if interval.lower <= expected, expected <= interval.upper { inside += 1 }
        }
        // Of 200 trials, three standard deviations are 4.6 %.
        #expect(inside >= 180 && inside <= 199, "\(inside)")
    }
}

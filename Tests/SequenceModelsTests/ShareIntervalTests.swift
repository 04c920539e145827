import Datasets
import Testing

@testable import SequenceModels

@Suite struct ShareIntervalTests {
    @Test("an interval over many independent clips is Wilson's, and wider where clips come in groups") func wilson() {
        let values = (0..<400).map { $0 % 4 != 0 }
        let single = ClusteredShare(values, places: Array(0..<400)).interval
        // statsmodels' proportion_confint(300, 400, method="wilson").
        #expect(abs(single.lower - 0.70535) < 0.001 && abs(single.upper - 0.78995) < 0.001)
        // The same clips in 40 groups that are right or wrong as a whole.
        let grouped = ClusteredShare((0..<400).map { $0 / 10 % 4 != 0 }, places: (0..<400).map { $0 / 10 }).interval
        #expect(grouped.upper - grouped.lower > 2.5 * (single.upper - single.lower))
    }

    @Test("what did not happen is no certainty", arguments: [true, false]) func edges(isRight: Bool) {
        let single = ClusteredShare(Array(repeating: isRight, count: 96), places: Array(0..<96)).interval
        #expect(isRight ? single.upper == 1 : single.lower == 0)
        let other = isRight ? 1 - single.lower : single.upper
        #expect(other > 0.03 && other < 0.06)
        let grouped = ClusteredShare(Array(repeating: isRight, count: 96), places: (0..<96).map { $0 / 4 }).interval
        #expect((isRight ? 1 - grouped.lower : grouped.upper) > 2 * other)
        let lone = ClusteredShare([isRight, isRight], places: [0, 0]).interval
        #expect(lone == .init(lower: 0, upper: 1))
    }

    @Test("the gain of one over another is Newcombe's, and no certainty where both are always right") func gain() {
        // Newcombe 1998, table III: 36, 12, 2, 0 of 50 pairs; 0.0569 to 0.3404.
        let first = (0..<50).map { $0 < 36 || $0 >= 48 }
        let second = (0..<50).map { $0 < 48 }
        let places = Array(0..<50)
        let gain = ClusteredShare.gain(ClusteredShare(first, places: places), ClusteredShare(second, places: places))
        #expect(abs(gain.lower - 0.0569) < 0.008 && abs(gain.upper - 0.3404) < 0.008)
        let right = ClusteredShare(Array(repeating: true, count: 50), places: places)
        let same = ClusteredShare.gain(right, right)
        #expect(same.lower < -0.03 && same.upper > 0.03)
    }

    @Test(
        "intervals hold the true share in about 95 of 100 cases, near the edges and where clips of a source are alike",
        arguments: [0.02, 0.5, 0.98], [0.0, 0.5])
    func coverage(share: Double, likeness: Double) {
        var generator = SplitMix64(seed: 3)
        let cases = 500
        let held = (0..<cases).count { _ in
            var (values, places): ([Bool], [Int]) = ([], [])
            for source in 0..<40 {
                // Each clip does as its source does, or by itself.
                let common = Double.random(in: 0..<1, using: &generator) < share
                for _ in 0..<Int.random(in: 1...6, using: &generator) {
                    let follows = Double.random(in: 0..<1, using: &generator) < likeness.squareRoot()
                    values.append(follows ? common : Double.random(in: 0..<1, using: &generator) < share)
                    places.append(source)
                }
            }
            let interval = ClusteredShare(values, places: places).interval
            return interval.lower <= share && share <= interval.upper
        }
        #expect(Double(held) / Double(cases) >= 0.92)
    }

    @Test(
        "Student's quantiles are SciPy's",
        arguments: [(1, 12.7062), (2, 4.30265), (3, 3.18245), (5, 2.57058), (10, 2.22814), (100, 1.98397)])
    func quantile(freedom: Double, expected: Double) {
        #expect(abs(ClusteredShare.quantile(freedom: freedom) / expected - 1) < 0.006)
    }
}

import FeatureCache
import NeuralNetwork
import Testing
@testable import SequenceModels

@Suite struct TimelineTests {
    /// Three features are the scores of three classes: the mean over the window determines the class.
    static func head(_ kind: HeadConfiguration.Kind = .average, frames: Int = 4) throws -> Head {
        var head = try Head(
            HeadConfiguration(kind: kind), labels: ["a", "b", "c"],
            input: HeadConfiguration.Input(shape: [3], maximumLength: frames), standardization: nil,
            from: RandomParameters())
        head.parameters.values = [9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0]
        return head
    }

    /// One row per frame, with its class's score highest.
    static func rows(_ classes: [Int]) -> [Float] { classes.flatMap { own in (0..<3).map { $0 == own ? 1 : 0 } } }

    @Test("a window gives the same prediction however its rows are divided into chunks", arguments: [1, 2, 3, 5, 11])
    func chunks(size: Int) throws {
        let classes = [0, 0, 0, 1, 1, 2, 2, 2, 2, 0, 1]
        var whole = SlidingWindow(try Self.head(), length: 4)
        try whole.append(Self.rows(classes))
        try whole.finish()
        #expect(whole.probabilities.count == classes.count - 3)
        var sliding = SlidingWindow(try Self.head(), length: 4)
        for start in stride(from: 0, to: classes.count, by: size) {
            try sliding.append(Self.rows(Array(classes[start..<min(start + size, classes.count)])))
        }
        try sliding.finish()
        #expect(sliding.probabilities == whole.probabilities)
        // The window over frames 5 to 8 contains one class alone.
        #expect(whole.probabilities[5][2] > 0.99)
    }

    @Test("a window over all rows equals the head's prediction for the sequence") func equalsHead() throws {
        let head = try Self.head(.average, frames: 6)
        let rows = Self.rows([0, 1, 1, 2, 1, 0])
        var sliding = SlidingWindow(head, length: 6)
        try sliding.append(rows)
        #expect(try sliding.probabilities[0] == head.probabilities(of: rows))
    }

    @Test("fewer frames than a window form one window") func short() throws {
        var sliding = SlidingWindow(try Self.head(), length: 4)
        try sliding.append(Self.rows([1, 1]))
        #expect(sliding.probabilities.isEmpty)
        try sliding.finish()
        #expect(sliding.probabilities.count == 1 && sliding.probabilities[0][1] > 0.99)
        let timeline = Timeline(
            labels: ["a", "b", "c"], times: [0, 0.5], end: 1, windows: sliding.probabilities, length: 2)
        #expect(timeline.segments.map(\.label) == ["b"])
        #expect(timeline.segments[0].start == 0 && timeline.segments[0].end == 1)
    }

    @Test("segments follow the windows' centres and cover the complete time") func segments() {
        let windows: [[Double]] = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]]
        let timeline = Timeline(
            labels: ["x", "y"], times: (0..<6).map { Double($0) * 0.4 }, end: 2.4, windows: windows, length: 3)
        #expect(timeline.predicted == [0, 0, 0, 1, 1, 1])
        #expect(timeline.segments.map(\.label) == ["x", "y"])
        #expect(timeline.segments.map(\.start) == [0, timeline.times[3]])
        #expect(timeline.segments.map(\.end) == [timeline.times[3], 2.4])
        #expect(abs(timeline.segments[0].probability - (0.9 + 0.9 + 0.8) / 3) < 1e-12)
        func label(_ time: Double) -> String { timeline.labels[timeline.predicted[timeline.frame(at: time)]] }
        #expect(label(1.19) == "x" && label(1.2) == "y" && label(-1) == "x" && label(99) == "y")
    }

    @Test("with several labels a clip, segments of different labels overlap, and there may be none") func labels() {
        let windows: [[Double]] = [[0.9, 0.1, 0.2], [0.8, 0.6, 0.1], [0.3, 0.7, 0.2], [0.1, 0.2, 0.1]]
        let timeline = Timeline(
            labels: ["x", "y", "z"], times: (0..<4).map(Double.init), end: 4, windows: windows, length: 1,
            thresholds: [0.5, 0.6, 0.9])
        #expect(timeline.segments.map(\.label) == ["x", "y"])
        #expect(timeline.segments.map(\.start) == [0, 1] && timeline.segments.map(\.end) == [2, 3])
        #expect(abs(timeline.segments[1].probability - 0.65) < 1e-12)
        #expect(timeline.chosen(1) == [0, 1] && timeline.chosen(3).isEmpty)
    }

    @Test("a rolling average is the mean of neighbouring windows, and removes a flicker") func rolling() {
        let windows: [[Double]] = [[0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.6, 0.4]]
        func timeline(_ count: Int) -> Timeline {
            Timeline(
                labels: ["x", "y"], times: (0..<5).map(Double.init), end: 5, windows: windows, length: 1, rolling: count
            )
        }
        #expect(timeline(1).predicted == [0, 0, 1, 0, 0])
        let smooth = timeline(3)
        #expect(smooth.predicted == [0, 0, 0, 0, 0])
        let means: [Double] = [0.75, 1.9 / 3, 2.0 / 3, 1.9 / 3, 0.75]
        for (own, mean) in zip(smooth.probabilities, means) { #expect(abs(own[0] - mean) < 1e-12) }
        for own in timeline(99).probabilities { #expect(abs(own[0] - 0.68) < 1e-12) }
    }

    /// Clips of three classes whose frames all have their class's score highest.
    private static func clips(_ labels: [String], frames: Int = 4) -> FeatureSet {
        let places = ["a": 0, "b": 1, "c": 2]
        let examples = labels.enumerated().map { index, label in
            FeatureSet.Example(
                videoID: Int64(index), path: "\(index)", label: label, split: "test", group: nil, length: frames,
                firstRow: index * frames)
        }
        let rows = labels.flatMap { label in Self.rows(Array(repeating: places[label] ?? 0, count: frames)) }
        return FeatureSet(examples: examples, featureSize: 3, rows: rows)
    }

    @Test("in joined clips, windows with one action are classified correctly, and mixed ones by majority") func joined()
        throws
    {
        let features = Self.clips(["a", "b", "c", "a", "b"])
        var options = ContinuousEvaluation.Options()
        (options.sequences, options.clips) = (6, 5)
        let result = try ContinuousEvaluation(Self.head(), features, Array(0..<5), options)
        #expect(result.window == 4 && result.windows == 6 * (5 * 4 - 3))
        #expect(result.byFirstAction.map(\.frames) == [1, 2, 3, 4])
        #expect(result.byFirstAction.map(\.windows).reduce(0, +) == result.windows)
        // Three of four frames are a majority; in a tie the head's first class need not be the first action.
        for share in result.byFirstAction where share.frames != 2 { #expect(share.accuracy == 1, "\(share.frames)") }
        #expect(result.strips.count == 4)
        for strip in result.strips {
            let borders = zip(strip.truth, strip.truth.dropFirst()).count { $0 != $1 }
            #expect(strip.truth.count == 20 && strip.predicted.count == 20 && borders == 4)
        }
        let again = try ContinuousEvaluation(Self.head(), features, Array(0..<5), options)
        #expect(again.strips.map(\.truth) == result.strips.map(\.truth))
        options.seed = 7
        let other = try ContinuousEvaluation(Self.head(), features, Array(0..<5), options)
        #expect(other.strips.map(\.truth) != result.strips.map(\.truth))
    }

    @Test("clips of one class cannot be joined") func oneClass() throws {
        let features = Self.clips(["a", "a"])
        #expect(throws: SequenceError.cannotJoin(split: "test")) {
            try ContinuousEvaluation(Self.head(), features, [0, 1])
        }
        #expect(throws: SequenceError.cannotJoin(split: "test")) { try ContinuousEvaluation(Self.head(), features, []) }
    }

    @Test("if counts are equal, the earlier action is the window's label") func majority() {
        #expect(ContinuousEvaluation.majority([2, 2, 1, 1][...]) == 2)
        #expect(ContinuousEvaluation.majority([2, 1, 1][...]) == 1)
        #expect(ContinuousEvaluation.majority([][...]) == nil)
    }

    @Test("calibration error is the mean absolute difference of confidence and accuracy over the bins")
    func reliability() {
        // As scikit-learn's calibration_curve bins them: 0.95 and 0.92 together, 0.55 alone.
        let result = Reliability([(0.95, true), (0.92, false), (0.55, true), (0.3, false)])
        #expect(result.bins.map(\.count) == [1, 1, 2])
        #expect(result.bins.map(\.accuracy) == [0, 1, 0.5])
        #expect(abs(result.bins[2].confidence - 0.935) < 1e-12)
        let expected = (0.3 + 0.45 + 2 * 0.435) / 4
        #expect(abs(result.expectedError - expected) < 1e-12)
        #expect(Reliability([(1, true), (0, false)]).bins.map(\.lower) == [0, 0.9])
        #expect(Reliability([]).expectedError == 0)
    }
}

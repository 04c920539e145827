import Datasets
import FeatureCache

/// How a head trained on clips does on a stream in which one action follows the other: cached clips of different classes
/// joined to long sequences, with a window slid over them. Decodes nothing.
public struct ContinuousEvaluation: Sendable, Encodable {
    /// What is joined.
    public struct Options: Sendable, Encodable {
        /// Long sequences.
        public var sequences = 100
        /// Clips in each; neighbours are of different classes.
        public var clips = 16
        /// Frames in the window; nil takes the longest that the head was trained on.
        public var window: Int?
        /// Of the choice of clips.
        public var seed = 42

        /// The defaults.
        public init() {}
    }

    /// Windows that begin with so many frames of one action, before another begins.
    public struct Share: Sendable, Encodable {
        /// From 1 to all of the window.
        public let frames: Int
        /// How many windows, and how many of them named rightly.
        public let windows, correct: Int
        /// Share of right ones.
        public var accuracy: Double { Double(correct) / Double(windows) }
    }

    /// A long sequence, frame by frame.
    public struct Strip: Sendable, Encodable {
        /// Places among the labels.
        public let truth, predicted: [Int]
    }

    /// Classes.
    public let labels: [String]
    /// Frames in the window.
    public let window: Int
    /// All windows, and those whose prediction is the action of most of their frames.
    public let windows, correct: Int
    /// By how many of a window's frames come from its first action; only what there is.
    public let byFirstAction: [Share]
    /// The first few sequences.
    public let strips: [Strip]

    /// Share of windows named rightly.
    public var accuracy: Double { Double(correct) / Double(max(1, windows)) }

    enum CodingKeys: String, CodingKey {
        case labels, window, windows, correct, strips
        case byFirstAction = "by_first_action"
    }

    /// How many strips are kept.
    private static let shown = 4

    /// - `indices`: the clips to join, among `features.examples`.
    /// - Throws: `SequenceError.cannotJoin` where fewer than two classes are there, `CacheError` where rows are streamed.
    public init(_ head: Head, _ features: FeatureSet, _ indices: [Int], _ options: Options = Options()) throws {
        let places = Dictionary(uniqueKeysWithValues: head.labels.enumerated().map { ($1, $0) })
        let known = indices.filter { places[features.examples[$0].label] != nil }
        guard let first = known.first,
            known.contains(where: { features.examples[$0].label != features.examples[first].label })
        else { throw SequenceError.cannotJoin(split: indices.first.map { features.examples[$0].split } ?? "test") }
        let window = max(1, min(options.window ?? head.input.maximumLength, head.input.maximumLength))
        var generator = SplitMix64(seed: UInt64(bitPattern: Int64(options.seed)))
        var (all, right) = (0, 0)
        var counts = Array(repeating: (windows: 0, correct: 0), count: window + 1)
        var strips: [Strip] = []
        for sequence in 0..<options.sequences {
            var truth: [Int] = []
            var sliding = SlidingWindow(head, length: window)
            var previous: String?
            for _ in 0..<options.clips {
                let choice = known.filter { features.examples[$0].label != previous }
                let example = features.examples[choice[Int.random(in: choice.indices, using: &generator)]]
                previous = example.label
                let (rows, first) = try features.gather([example.views[0]])
                let size = features.featureSize
                try sliding.append(Array(rows[first[0] * size..<(first[0] + example.length) * size]))
                truth += Array(repeating: places[example.label] ?? 0, count: example.length)
            }
            try sliding.finish()
            for (start, probabilities) in sliding.probabilities.enumerated() {
                let inside = truth[start..<min(start + window, truth.count)]
                let predicted = probabilities.indices.max {
                    (probabilities[$0], -$0) < (probabilities[$1], -$1)
                }
                let isRight = predicted == Self.majority(inside)
                let own = inside.prefix { $0 == inside[start] }.count
                all += 1
                right += isRight ? 1 : 0
                counts[own].windows += 1
                counts[own].correct += isRight ? 1 : 0
            }
            if sequence < Self.shown {
                let timeline = Timeline(
                    labels: head.labels, times: truth.indices.map(Double.init), end: Double(truth.count),
                    windows: sliding.probabilities, length: window)
                strips.append(Strip(truth: truth, predicted: timeline.predicted))
            }
        }
        (labels, self.window, windows, correct) = (head.labels, window, all, right)
        self.strips = strips
        byFirstAction = counts.indices.filter { counts[$0].windows > 0 }.map {
            Share(frames: $0, windows: counts[$0].windows, correct: counts[$0].correct)
        }
    }

    /// The most frequent label; of equals the one that comes first.
    static func majority(_ labels: ArraySlice<Int>) -> Int? {
        var counts: [Int: Int] = [:]
        for label in labels { counts[label, default: 0] += 1 }
        let most = counts.values.max()
        return labels.first { counts[$0] == most }
    }
}

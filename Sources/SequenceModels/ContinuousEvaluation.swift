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
    fileprivate static let shown = 4

    /// A head, and clips that it was not trained on, as places among the examples.
    public typealias Part = (head: Head, indices: [Int])

    /// One head on all clips.
    ///
    /// - `indices`: the clips to join, among `features.examples`.
    /// - Throws: `SequenceError.cannotJoin` if fewer than two classes are there, `CacheError` if rows are streamed.
    public init(_ head: Head, _ features: FeatureSet, _ indices: [Int], _ options: Options = Options()) throws {
        try self.init([(head, indices)], features, options)
    }

    /// Several heads of the same classes, each on its own clips: the sequences are shared out among them.
    ///
    /// - Throws: `SequenceError.cannotJoin` if no part has two classes, `CacheError` if rows are streamed.
    public init(_ parts: [Part], _ features: FeatureSet, _ options: Options = Options()) throws {
        let usable = parts.compactMap { Joining($0, features, options) }
        guard let first = usable.first else {
            throw SequenceError.cannotJoin(
                split: parts.first?.indices.first.map { features.examples[$0].split } ?? "test")
        }
        var generator = SplitMix64(seed: UInt64(bitPattern: Int64(options.seed)))
        var sum = Counts(window: first.window)
        for (index, part) in usable.enumerated() {
            let ends = [index, index + 1].map { options.sequences * $0 / usable.count }
            try part.run(max(usable.count > 1 ? 1 : 0, ends[1] - ends[0]), features, &generator, into: &sum)
        }
        (labels, window, strips) = (first.head.labels, first.window, sum.strips)
        (windows, correct) = (sum.all.windows, sum.all.correct)
        byFirstAction = sum.byFirst.indices.filter { sum.byFirst[$0].windows > 0 }.map {
            Share(frames: $0, windows: sum.byFirst[$0].windows, correct: sum.byFirst[$0].correct)
        }
    }

    /// What is counted on the way.
    private struct Counts {
        var all = (windows: 0, correct: 0)
        var byFirst: [(windows: Int, correct: Int)]
        var strips: [Strip] = []

        init(window: Int) { byFirst = Array(repeating: (0, 0), count: window + 1) }
    }

    /// One head and the clips that are joined for it.
    private struct Joining {
        let head: Head
        let window: Int
        private let options: Options
        private let places: [String: Int]
        private let known: [Int]

        init?(_ part: Part, _ features: FeatureSet, _ options: Options) {
            head = part.head
            self.options = options
            let places = Dictionary(
                part.head.labels.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
            self.places = places
            known = part.indices.filter { places[features.examples[$0].label] != nil }
            window = max(1, min(options.window ?? head.input.maximumLength, head.input.maximumLength))
            guard Set(known.map { features.examples[$0].label }).count > 1 else { return nil }
        }

        func run(
            _ sequences: Int, _ features: FeatureSet, _ generator: inout SplitMix64, into sum: inout Counts
        ) throws {
            for _ in 0..<sequences {
                let (truth, sliding) = try joined(features, &generator)
                for (start, probabilities) in sliding.probabilities.enumerated() {
                    let inside = truth[start..<min(start + window, truth.count)]
                    let predicted = probabilities.indices.max {
                        (probabilities[$0], -$0) < (probabilities[$1], -$1)
                    }
                    let isRight =
                        probabilities.allSatisfy(\.isFinite) && predicted == ContinuousEvaluation.majority(inside)
                    let own = inside.prefix { $0 == inside[start] }.count
                    sum.all.windows += 1
                    sum.all.correct += isRight ? 1 : 0
                    sum.byFirst[own].windows += 1
                    sum.byFirst[own].correct += isRight ? 1 : 0
                }
                if sum.strips.count < ContinuousEvaluation.shown {
                    let timeline = Timeline(
                        labels: head.labels, times: truth.indices.map(Double.init), end: Double(truth.count),
                        windows: sliding.probabilities, length: window)
                    sum.strips.append(Strip(truth: truth, predicted: timeline.predicted))
                }
            }
        }

        /// One long sequence: the class of each frame, and what the head says of each window.
        private func joined(
            _ features: FeatureSet, _ generator: inout SplitMix64
        ) throws -> (truth: [Int], sliding: SlidingWindow) {
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
            return (truth, sliding)
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

import Datasets
import FeatureCache

/// Evaluates a head on continuous streams: cached clips of different classes are concatenated to long sequences, over
/// which a window slides. Decodes nothing.
package struct ContinuousEvaluation: Sendable, Encodable {
    package struct Options: Sendable, Encodable {
        package var sequences = 100
        /// Clips per sequence; consecutive clips have different classes.
        package var clips = 16
        /// Frames per window; nil uses the longest sequence of the training set.
        package var window: Int?
        package var seed = 42

        package init() {}
    }

    /// Windows that begin with `frames` frames of one action before the next one begins.
    package struct Share: Sendable, Encodable {
        /// From 1 to the window's length.
        package let frames: Int
        /// Number of windows, and of correctly classified ones.
        package let windows, correct: Int
        package var accuracy: Double { Double(correct) / Double(windows) }
    }

    /// One concatenated sequence, frame by frame.
    package struct ConcatenatedSequence: Sendable, Encodable {
        package let truth, predicted: [Int]
    }

    package let labels: [String]
    package let window: Int
    /// Number of windows, and of those whose prediction is the action of most of their frames.
    package let windows, correct: Int
    /// By the number of frames that belong to a window's first action; only numbers that occur.
    package let byFirstAction: [Share]
    package let strips: [ConcatenatedSequence]

    package var accuracy: Double { Double(correct) / Double(max(1, windows)) }

    /// Number of sequences that are kept.
    fileprivate static let shown = 4

    /// A head and indices of clips that it was not trained on.
    package typealias Part = (head: Head, indices: [Int])

    /// Evaluates one head on all clips. `indices`: the clips to concatenate, indices into `features.examples`. Throws
    /// `SequenceError.cannotJoin` if there are fewer than two classes, `CacheError` if rows are streamed.
    package init(_ head: Head, _ features: FeatureSet, _ indices: [Int], _ options: Options = Options()) throws {
        try self.init([(head, indices)], features, options)
    }

    /// Evaluates several heads of the same classes, each on its own clips; the sequences are divided among them. Throws
    /// `SequenceError.cannotJoin` if no part has two classes, `CacheError` if rows are streamed.
    package init(_ parts: [Part], _ features: FeatureSet, _ options: Options = Options()) throws {
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

    private struct Counts {
        var all = (windows: 0, correct: 0)
        var byFirst: [(windows: Int, correct: Int)]
        var strips: [ConcatenatedSequence] = []

        init(window: Int) { byFirst = Array(repeating: (0, 0), count: window + 1) }
    }

    /// A head and the clips that are concatenated for it.
    private struct Joining {
        let head: Head
        let window: Int
        private let options: Options
        private let places: [String: Int]
        private let known: [Int]

        init?(_ part: Part, _ features: FeatureSet, _ options: Options) {
            head = part.head
            self.options = options
            let places = part.head.labels.places
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
                    let isRight =
                        probabilities.allSatisfy(\.isFinite)
                        && probabilities.argmax == ContinuousEvaluation.majority(inside)
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
                    sum.strips.append(ConcatenatedSequence(truth: truth, predicted: timeline.predicted))
                }
            }
        }

        /// Creates one sequence: the class of each frame, and the head's prediction for each window.
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

    /// The most frequent label; the first one in case of a tie.
    static func majority(_ labels: ArraySlice<Int>) -> Int? {
        var counts: [Int: Int] = [:]
        for label in labels { counts[label, default: 0] += 1 }
        let most = counts.values.max()
        return labels.first { counts[$0] == most }
    }
}

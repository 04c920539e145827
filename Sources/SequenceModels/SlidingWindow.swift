import FeatureCache
import NeuralNetwork
import Training

/// Slides a window over rows that arrive bit by bit, and asks the head about each place of the window. Keeps no more
/// rows than a window and a batch.
public struct SlidingWindow: Sendable {
    /// Frames in the window.
    public let length: Int
    /// Class probabilities of each place, in order: the window that begins with row i stands at i.
    public private(set) var probabilities: [[Double]] = []
    private let head: Head
    private var rows: [Float] = []

    /// - `length`: frames in the window, at least 1.
    public init(_ head: Head, length: Int) {
        precondition(length > 0)
        (self.head, self.length) = (head, length)
    }

    /// Goes on with more rows `[count, feature]`.
    public mutating func append(_ more: [Float]) throws {
        rows += more
        let size = head.input.featureSize
        let places = rows.count / size - length + 1
        guard places > 0 else { return }
        try ask((0..<places).map { FeatureSet.Span(videoID: 0, firstRow: $0, length: length) })
        rows.removeFirst(places * size)
    }

    /// Says that no more rows come: fewer than a window are then a window of their own.
    public mutating func finish() throws {
        let count = rows.count / head.input.featureSize
        guard probabilities.isEmpty, count > 0 else { return }
        try ask([FeatureSet.Span(videoID: 0, firstRow: 0, length: count)])
    }

    private mutating func ask(_ spans: [FeatureSet.Span]) throws {
        let features = FeatureSet(examples: [], featureSize: head.input.featureSize, rows: rows)
        let result = try Head.probabilities(head.logits(features, spans: spans))
        let classes = head.labels.count
        for row in spans.indices {
            probabilities.append(result.values[row * classes..<(row + 1) * classes].map(Double.init))
        }
    }
}

/// Class probabilities over time: what the windows around each frame say of it.
public struct Timeline: Sendable {
    /// A stretch in which the most probable class stays the same.
    public struct Segment: Sendable, Equatable, Encodable {
        /// Seconds.
        public let start, end: Double
        /// Most probable class.
        public let label: String
        /// Mean over the segment's frames, from 0 to 1.
        public let probability: Double
    }

    /// Classes in the order of the probabilities.
    public let labels: [String]
    /// Of each frame, seconds.
    public let times: [Double]
    /// When the last frame ends, seconds.
    public let end: Double
    /// `[frame][class]`.
    public let probabilities: [[Double]]

    /// - `windows`: `[place][class]`; the window that begins with frame i stands at i.
    /// - `length`: frames in a window.
    /// - `rolling`: each window's probabilities become the mean of so many windows around it; 1 leaves them.
    public init(
        labels: [String], times: [Double], end: Double, windows: [[Double]], length: Int, rolling: Int = 1
    ) {
        (self.labels, self.times, self.end) = (labels, times, end)
        let smoothed = Self.rolling(windows, rolling)
        // A frame belongs to the window whose middle it is; before the first and after the last middle there is none.
        probabilities = times.indices.map { smoothed[max(0, min(windows.count - 1, $0 - length / 2))] }
    }

    /// Centred means; at the ends of what is there.
    private static func rolling(_ windows: [[Double]], _ count: Int) -> [[Double]] {
        guard count > 1, let classes = windows.first?.count else { return windows }
        // The sum goes with the window, so that the cost does not grow with the count.
        var sum = [Double](repeating: 0, count: classes)
        var (first, past) = (0, 0)
        return windows.indices.map { place in
            let range = max(0, place - (count - 1) / 2)..<min(windows.count, place + count / 2 + 1)
            while past < range.upperBound {
                for index in 0..<classes { sum[index] += windows[past][index] }
                past += 1
            }
            while first < range.lowerBound {
                for index in 0..<classes { sum[index] -= windows[first][index] }
                first += 1
            }
            return sum.map { max(0, $0 / Double(range.count)) }
        }
    }

    /// Place of the most probable class of each frame; of equals the first.
    public var predicted: [Int] {
        probabilities.map { own in own.indices.max { (own[$0], -$0) < (own[$1], -$1) } ?? 0 }
    }

    /// The class on show at a time in seconds, and how probable it is.
    public func entry(at time: Double) -> (label: String, probability: Double) {
        let frame = max(0, (times.firstIndex { $0 > time + 1e-6 } ?? times.count) - 1)
        let place = predicted[frame]
        return (labels[place], probabilities[frame][place])
    }

    /// In order; together they cover the whole time.
    public var segments: [Segment] {
        if times.isEmpty { return [] }
        let predicted = predicted
        var result: [Segment] = []
        var first = 0
        for frame in 1...times.count where frame == times.count || predicted[frame] != predicted[first] {
            let place = predicted[first]
            let mean = (first..<frame).reduce(0) { $0 + probabilities[$1][place] } / Double(frame - first)
            result.append(
                Segment(
                    start: times[first], end: frame == times.count ? end : times[frame], label: labels[place],
                    probability: mean))
            first = frame
        }
        return result
    }
}

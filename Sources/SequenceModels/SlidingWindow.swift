import FeatureCache
import NeuralNetwork

/// Applies a head to a sliding window over rows that arrive incrementally. Keeps only the rows of one window and one
/// batch.
package struct SlidingWindow: Sendable {
    package let length: Int
    /// Class probabilities of each window; index i is the window that begins with row i.
    package private(set) var probabilities: [[Double]] = []
    private let head: Head
    private var rows: [Float] = []

    /// - `length`: frames per window, at least 1.
    package init(_ head: Head, length: Int) {
        precondition(length > 0)
        (self.head, self.length) = (head, length)
    }

    /// Appends rows `[count, feature]`.
    package mutating func append(_ more: [Float]) throws {
        rows += more
        let size = head.input.featureSize
        let places = rows.count / size - length + 1
        guard places > 0 else { return }
        try ask((0..<places).map { FeatureSet.Span(videoID: 0, firstRow: $0, length: length) })
        rows.removeFirst(places * size)
    }

    /// Ends the stream; fewer rows than a window are then evaluated as one window.
    package mutating func finish() throws {
        let count = rows.count / head.input.featureSize
        guard probabilities.isEmpty, count > 0 else { return }
        try ask([FeatureSet.Span(videoID: 0, firstRow: 0, length: count)])
    }

    private mutating func ask(_ spans: [FeatureSet.Span]) throws {
        let features = FeatureSet(examples: [], featureSize: head.input.featureSize, rows: rows)
        let result = try head.probabilities(head.logits(features, spans: spans))
        let classes = head.labels.count
        for row in spans.indices {
            probabilities.append(result.values[row * classes..<(row + 1) * classes].map(Double.init))
        }
    }
}

/// Class probabilities over time, from the windows centred at each frame.
package struct Timeline: Sendable {
    /// A period with the same most probable class.
    package struct Segment: Sendable, Equatable, Encodable {
        /// In seconds.
        package let start, end: Double
        package let label: String
        /// Mean over the segment's frames, from 0 to 1.
        package let probability: Double
    }

    /// Classes in the order of the probabilities.
    package let labels: [String]
    /// Time of each frame in seconds.
    package let times: [Double]
    /// End of the last frame in seconds.
    package let end: Double
    /// `[frame][class]`.
    package let probabilities: [[Double]]

    /// - `windows`: `[window][class]`; index i is the window that begins with frame i.
    /// - `length`: frames per window.
    /// - `rolling`: size of a centred moving average over windows; 1 disables it.
    package init(
        labels: [String], times: [Double], end: Double, windows: [[Double]], length: Int, rolling: Int = 1
    ) {
        (self.labels, self.times, self.end) = (labels, times, end)
        let smoothed = Self.rolling(windows, rolling)
        // A frame gets the window of which it is the middle frame; frames before the first or after the last middle get
        // the nearest window.
        probabilities = times.indices.map { smoothed[max(0, min(windows.count - 1, $0 - length / 2))] }
    }

    /// Centred moving average, with shorter averages at the ends.
    private static func rolling(_ windows: [[Double]], _ count: Int) -> [[Double]] {
        guard count > 1, let classes = windows.first?.count else { return windows }
        // A running sum, so that the cost does not grow with the count.
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

    /// Index of each frame's most probable class; the first one in case of a tie.
    package var predicted: [Int] { probabilities.map { $0.argmax ?? 0 } }

    /// The most probable class at a time in seconds, with its probability.
    package func entry(at time: Double) -> (label: String, probability: Double) {
        let frame = max(0, (times.firstIndex { $0 > time + 1e-6 } ?? times.count) - 1)
        let place = predicted[frame]
        return (labels[place], probabilities[frame][place])
    }

    /// In order; together they cover the whole time.
    package var segments: [Segment] {
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

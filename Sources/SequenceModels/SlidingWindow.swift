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
        probabilities += try head.probabilities(head.logits(features, spans: spans))
    }
}

/// Class probabilities over time, from the windows centred at each frame.
package struct Timeline: Sendable {
    /// A period with the same most probable class, or in which a label is predicted.
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
    /// With several labels a clip, the probability from which each is predicted; nil for one class a clip.
    package let thresholds: [Double]?

    /// - `windows`: `[window][class]`; index i is the window that begins with frame i.
    /// - `length`: frames per window.
    /// - `rolling`: size of a centred moving average over windows; 1 disables it.
    package init(
        labels: [String], times: [Double], end: Double, windows: [[Double]], length: Int, rolling: Int = 1,
        thresholds: [Double]? = nil
    ) {
        self.thresholds = thresholds
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

    /// The frame that is shown at a time in seconds.
    package func frame(at time: Double) -> Int {
        max(0, (times.firstIndex { $0 > time + 1e-6 } ?? times.count) - 1)
    }

    /// Indices of the labels that are predicted for a frame, most probable first; for one class a clip, its class.
    package func chosen(_ frame: Int) -> [Int] {
        guard let thresholds else { return probabilities[frame].argmax.map { [$0] } ?? [] }
        let own = probabilities[frame]
        return thresholds.indices.filter { own[$0] >= thresholds[$0] }.sorted { (-own[$0], $0) < (-own[$1], $1) }
    }

    /// In order. With one class a clip they cover the whole time; with several labels, those of different labels may
    /// overlap.
    package var segments: [Segment] {
        if times.isEmpty { return [] }
        if thresholds != nil { return labelSegments }
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

    private var labelSegments: [Segment] {
        let chosen = times.indices.map { Set(self.chosen($0)) }
        let segments = labels.indices.flatMap { label in
            chosen.indices.filter { chosen[$0].contains(label) && ($0 == 0 || !chosen[$0 - 1].contains(label)) }.map {
                first in
                let past = (first..<times.count).first { !chosen[$0].contains(label) } ?? times.count
                let mean = (first..<past).reduce(0) { $0 + probabilities[$1][label] } / Double(past - first)
                return Segment(
                    start: times[first], end: past == times.count ? end : times[past], label: labels[label],
                    probability: mean)
            }
        }
        return segments.sorted { ($0.start, $0.end, $0.label) < ($1.start, $1.end, $1.label) }
    }
}

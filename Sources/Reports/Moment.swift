import Foundation
import Video

/// A segment of a clip that was found, with its score.
package struct Moment: Sendable {
    package let path, label: String
    /// In seconds.
    package let start, end: Double
    /// From −1 to 1.
    package let score: Float
    package let probability: Float?

    package init(path: String, label: String, start: Double, end: Double, score: Float, probability: Float?) {
        (self.path, self.label, self.start, self.end) = (path, label, start, end)
        (self.score, self.probability) = (score, probability)
    }

    /// Path, times and score in one line.
    var text: String {
        let probability = probability.map { ", probability " + percent(Double($0)) } ?? ""
        return "\(decimal(start, 2)) to \(decimal(end, 2)) s, score \(decimal(Double(score), 3))\(probability)"
    }

    /// Decodes the frames from `start` to `end`, or the nearest one if there are none, and stops after them. Throws
    /// `VideoError`, or the error of `body`.
    func forEachFrame(
        of clip: any ClipReader, from first: Double, to last: Double, framing: Framing,
        _ body: (VideoFrame) throws -> Void
    ) throws {
        struct Enough: Error {}
        let times = clip.information.frameTimes
        let inside = times.filter { $0 >= first - 1e-6 && $0 <= last + 1e-6 }
        guard let least = inside.first ?? times.min(by: { abs($0 - first) < abs($1 - first) }) else { return }
        let most = inside.last ?? least
        do {
            try clip.forEachFrame(SampleRequest(.first(frames: Sampling.unlimited), framing: framing, aspect: .display))
            { frame in
                if frame.time > most + 1e-6 { throw Enough() }
                if frame.time >= least - 1e-6 { try body(frame) }
            }
        } catch is Enough {}
    }
}

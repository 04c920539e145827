import Foundation
import Video

/// A stretch of a clip that was found, and what is said of it.
public struct Moment: Sendable {
    /// Relative to the data set's root.
    public let path: String
    /// Class.
    public let label: String
    /// Seconds.
    public let start, end: Double
    /// From −1 to 1.
    public let score: Float
    /// Nil where it is not known.
    public let probability: Float?

    /// All parts, as they are.
    public init(path: String, label: String, start: Double, end: Double, score: Float, probability: Float?) {
        (self.path, self.label, self.start, self.end) = (path, label, start, end)
        (self.score, self.probability) = (score, probability)
    }

    /// Where it is and how sure that is, in a line.
    var text: String {
        let probability = probability.map { ", probability " + percent(Double($0)) } ?? ""
        return "\(decimal(start, 2)) to \(decimal(end, 2)) s, score \(decimal(Double(score), 3))\(probability)"
    }

    /// Shows the frames from `start` to `end`, or the one nearest to them, and decodes no further.
    ///
    /// - Throws: `VideoError`, or what `body` throws.
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

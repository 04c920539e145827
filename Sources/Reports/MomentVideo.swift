import Datasets
import Files
import Foundation
import Video

/// Writes moments of several clips to one video with captions.
package struct MomentVideo {
    package struct Summary: Sendable {
        package let joined: Int
        /// Clips that could not be decoded, with the reason.
        package let failures: [(path: String, error: String)]
    }

    /// Size of the video; images with other aspect ratios get black borders.
    private static let width = 640, height = 480
    private static let frameRate = 25.0
    /// Seconds added before and after each moment.
    private static let margin = 0.5

    private let root: String
    private let textRenderer = TextRenderer()

    package init(root: String) { self.root = root }

    /// - `isCancelled`: polled before each frame; after cancellation the file at the path is unchanged.
    /// - Throws: `VideoError`; `MomentVideo.Cancelled`.
    package func write(_ moments: [Moment], to path: String, isCancelled: () -> Bool = { false }) throws -> Summary {
        let writer = try MovieWriter(path: path, width: Self.width, height: Self.height, frameRate: Self.frameRate)
        var failures: [(path: String, error: String)] = []
        var begin = 0
        for moment in moments {
            do {
                begin = try append(moment, to: writer, at: begin, isCancelled)
            } catch let error as VideoError {
                if case .writing = error { throw error }
                failures.append((moment.path, error.localizedDescription))
            }
        }
        // No file is written if there are no frames.
        guard begin > 0 else { return Summary(joined: 0, failures: failures) }
        try writer.finish()
        return Summary(joined: moments.count - failures.count, failures: failures)
    }

    package struct Cancelled: Error {}

    /// - Returns: the tick after the moment.
    private func append(
        _ moment: Moment, to writer: MovieWriter, at begin: Int, _ isCancelled: () -> Bool
    ) throws -> Int {
        guard Clip.staysInside(moment.path) else { throw VideoError.missing(path: moment.path) }
        let clip = try openClip(path: root + "/" + moment.path)
        let size = clip.information.shownSize
        let scale = min(Double(Self.width) / Double(size.width), Double(Self.height) / Double(size.height))
        let (width, height) = (
            min(Self.width, max(1, Int((Double(size.width) * scale).rounded()))),
            min(Self.height, max(1, Int((Double(size.height) * scale).rounded())))
        )
        var (next, first) = (begin, Double?.none)
        try moment.forEachFrame(
            of: clip, from: moment.start - Self.margin, to: moment.end + Self.margin,
            framing: .whole(width: width, height: height)
        ) { frame in
            if isCancelled() { throw Cancelled() }
            let start = first ?? frame.time
            first = start
            // Frames beyond the video's frame rate are dropped.
            let tick = begin + Int(((frame.time - start) * Self.frameRate).rounded())
            guard tick >= next else { return }
            let drawn = Caption.drawn(
                on: Self.framed(RGBImage(frame)), label: moment.path.fileName,
                probability: Double(moment.probability ?? max(0, moment.score)),
                figure: moment.probability == nil ? decimal(Double(moment.score), 3) : nil, textRenderer)
            try writer.append(drawn.pixels, at: tick)
            next = tick + 1
        }
        return next
    }

    /// Centres an image in a black one of the video's size.
    private static func framed(_ image: RGBImage) -> RGBImage {
        if image.width == width && image.height == height { return image }
        var framed = RGBImage(width: width, height: height, pixels: Array(repeating: 0, count: 3 * width * height))
        framed.draw(image, x: (width - image.width) / 2, y: (height - image.height) / 2)
        return framed
    }
}

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

import Extraction
import Foundation
import Reports
import Video

/// Writes a video with a run's predictions drawn on it. Frames are decoded and written one by one, so that memory does
/// not depend on the video's length.
package final class LabelledVideo {
    /// The prediction at a time in seconds. `figure`: replaces the probability in percent; nil shows it.
    package typealias Caption = (_ time: Double) -> (label: String, probability: Double, figure: String?)

    private let clip: any ClipReader
    private let caption: Caption
    private let isCancelled: () -> Bool
    private let textRenderer = TextRenderer()

    /// Maximum width of a GIF, in pixels.
    private static let widest = 320
    /// Number of images from which a GIF's palette is computed.
    private static let sampled = 32

    /// - `isCancelled`: polled before each frame; after cancellation the file at the path is unchanged.
    /// - Throws: `VideoError`.
    package init(_ path: String, isCancelled: @escaping () -> Bool = { false }, caption: @escaping Caption) throws {
        clip = try openClip(path: path)
        (self.isCancelled, self.caption) = (isCancelled, caption)
    }

    private func drawn(_ frame: VideoFrame) throws -> [UInt8] {
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        let (label, probability, figure) = caption(clip.information.clock[frame.index])
        return Reports.Caption.drawn(
            on: RGBImage(frame), label: label, probability: probability, figure: figure, textRenderer
        ).pixels
    }

    /// Writes the sampled frames as an animated GIF at their original speed. Throws `VideoError`,
    /// `FeatureExtractor.Cancelled`.
    package func write(gif path: String, _ request: SampleRequest) throws {
        let size = clip.information.shownSize
        let scale = min(1, Double(Self.widest) / Double(size.width))
        let (width, height) = (
            max(1, Int((Double(size.width) * scale).rounded())), max(1, Int((Double(size.height) * scale).rounded()))
        )
        var request = request
        request.framing = .whole(width: width, height: height)
        let spread = SampleRequest(.uniform(frames: Self.sampled), framing: request.framing)
        let palette = try clip.sample([spread])[0].frames.map(drawn)
        let times = try clip.times(request)
        let span = (times.last ?? 0) - (times.first ?? 0)
        let rate = times.count > 1 && span > 0 ? Double(times.count - 1) / span : 1
        let writer = try GIFWriter(
            path: path, width: width, height: height, frameRate: max(0.05, rate), palette: palette)
        try clip.forEachFrame(request) { try writer.append(drawn($0)) }
        try writer.finish()
    }

    /// Writes all frames as an MP4 video at the original frame rate. Throws `VideoError`, `FeatureExtractor.Cancelled`.
    package func write(video path: String) throws {
        let information = clip.information
        let size = information.shownSize
        let (width, height) = (max(2, size.width / 2 * 2), max(2, size.height / 2 * 2))
        let rate = information.frameRate > 0 ? min(information.frameRate, 1000) : 25
        let writer = try MovieWriter(path: path, width: width, height: height, frameRate: rate)
        let clock = information.clock
        let first = clock.first ?? 0
        let isWhole = width == information.width && height == information.height
        let all = SampleRequest(
            .first(frames: Sampling.unlimited), framing: isWhole ? .full : .whole(width: width, height: height))
        try clip.forEachFrame(all) { frame in
            try writer.append(drawn(frame), at: Int(((clock[frame.index] - first) * rate).rounded()))
        }
        try writer.finish()
    }
}

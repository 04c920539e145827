import Extraction
import Foundation
import Reports
import Video

/// A video written out again with what a run says of it drawn on. Frames are decoded anew and written one by one, so that a
/// long video takes no more memory than a short one.
public final class LabelledVideo {
    /// What is said at a time in seconds.
    public typealias Caption = (_ time: Double) -> (label: String, probability: Double)

    private let clip: any ClipReader
    private let caption: Caption
    private let isCancelled: () -> Bool
    private let lettering = Lettering()

    /// GIFs are made no wider than this, in pixels.
    private static let widest = 320
    /// Pictures from which a GIF's palette is made.
    private static let sampled = 32

    /// - `isCancelled`: asked before each frame; what stood at the path of a cancelled file is left alone.
    /// - Throws: `VideoError`.
    public init(_ path: String, isCancelled: @escaping () -> Bool = { false }, caption: @escaping Caption) throws {
        clip = try openClip(path: path)
        (self.isCancelled, self.caption) = (isCancelled, caption)
    }

    private func drawn(_ frame: VideoFrame) throws -> [UInt8] {
        if isCancelled() { throw FeatureExtractor.Cancelled() }
        let (label, probability) = caption(clip.information.clock[frame.index])
        return Reports.Caption.drawn(
            on: RGBImage(frame), label: label, probability: probability, lettering
        ).pixels
    }

    /// Writes the frames that the request picks as an animated GIF, as fast as they follow each other in the video.
    ///
    /// - Throws: `VideoError`, `FeatureExtractor.Cancelled`.
    public func write(gif path: String, _ request: SampleRequest) throws {
        let size = clip.information.shownSize
        let scale = min(1, Double(Self.widest) / Double(size.width))
        let (width, height) = (
            max(1, Int((Double(size.width) * scale).rounded())),
            max(1, Int((Double(size.height) * scale).rounded()))
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

    /// Writes all frames as an MP4 film at the video's own rate.
    ///
    /// - Throws: `VideoError`, `FeatureExtractor.Cancelled`.
    public func write(film path: String) throws {
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

import Datasets
import Foundation
import Video

package struct ClipStrip: Sendable {
    package let jpeg: Data
    /// Mean over the frames, from 0 to 255.
    package let brightness: Float

    /// Side of a frame in pixels, and number of frames.
    package static let side = 72, count = 5

    package init(path: String) throws {
        let frames = try Self.frames(path: path)
        let row = Self.side * 3
        var pixels: [UInt8] = []
        for line in 0..<Self.side { for frame in frames { pixels += frame.pixels[line * row..<(line + 1) * row] } }
        brightness = Float(pixels.reduce(0) { $0 + Int($1) }) / Float(pixels.count)
        jpeg = try RGBImage(width: Self.side * frames.count, height: Self.side, pixels: pixels)
            .encoded(as: .jpeg(quality: 7))
    }

    /// - Throws: `VideoError`, also if there is no frame.
    static func frames(path: String) throws -> [VideoFrame] {
        let request = SampleRequest(.uniform(frames: count), framing: .centerSquare(size: side), aspect: .display)
        let frames = try openClip(path: path).sample([request])[0].frames
        guard !frames.isEmpty else { throw VideoError.noFrames(path: path) }
        return frames
    }
}

/// Thumbnails of the results below each other, as one image.
package struct SimilarStrip {
    package let image: RGBImage
    /// Clips that could not be decoded.
    package let missing: [String]

    /// `video`: the query, comes first. `paths`: results, relative to `root`. Throws `VideoError` about the query.
    package init(_ video: String, _ paths: [String], root: String) throws {
        var (images, missing) = ([try Self.row(video)], [String]())
        for path in paths {
            if Clip.staysInside(path), let row = try? Self.row(root + "/" + path) {
                images.append(row)
            } else {
                missing.append(path)
            }
        }
        let width = ClipStrip.side * ClipStrip.count
        image = RGBImage(
            width: width, height: images.reduce(0) { $0 + $1.count } / (3 * width), pixels: Array(images.joined()))
        self.missing = missing
    }

    /// Frames side by side above a white line, padded with white if the clip has few frames.
    private static func row(_ path: String) throws -> [UInt8] {
        let frames = try ClipStrip.frames(path: path)
        let row = ClipStrip.side * 3
        var pixels: [UInt8] = []
        for line in 0..<ClipStrip.side {
            for frame in frames { pixels += frame.pixels[line * row..<(line + 1) * row] }
            pixels += Array(repeating: 255, count: (ClipStrip.count - frames.count) * row)
        }
        return pixels + Array(repeating: 255, count: 4 * ClipStrip.count * row)
    }
}

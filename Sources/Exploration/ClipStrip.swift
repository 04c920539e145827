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

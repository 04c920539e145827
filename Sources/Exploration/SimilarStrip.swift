import Datasets
import Foundation
import Video

/// The clips that were found, below each other, as one picture.
public struct SimilarStrip {
    /// The picture.
    public let image: RGBImage
    /// Clips that could not be decoded.
    public let missing: [String]

    /// - `video`: the question, which stands first.
    /// - `paths`: of what was found, relative to `root`.
    /// - Throws: `VideoError` where the question cannot be decoded.
    public init(_ video: String, _ paths: [String], root: String) throws {
        var (pictures, missing) = ([try Self.row(video)], [String]())
        for path in paths {
            if Clip.staysInside(path), let row = try? Self.row(root + "/" + path) {
                pictures.append(row)
            } else {
                missing.append(path)
            }
        }
        let width = ClipStrip.side * ClipStrip.count
        image = RGBImage(
            width: width, height: pictures.reduce(0) { $0 + $1.count } / (3 * width), pixels: Array(pictures.joined()))
        self.missing = missing
    }

    /// Frames side by side, with a line of white below; clips of few frames are filled up with white.
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

import Datasets
import Video

/// Thumbnails of the results below each other, as one image.
package struct SimilarStrip {
    package let image: RGBImage
    /// Clips that could not be decoded.
    package let missing: [String]

    /// `video`: the query, which comes first. `paths`: of the results, relative to `root`. Throws `VideoError` if the
    /// query cannot be decoded.
    package init(_ video: String, _ paths: [String], root: String) throws {
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

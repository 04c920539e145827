import Foundation
import TestSupport
import Testing
@testable import Video

/// The eight orientations of camera images.
@Suite struct OrientationTests {
    let scratch = ScratchFolder()

    /// Elements a, b, c, d of the display matrix; the stored corners displayed top left, top right, bottom left, bottom
    /// right.
    static let matrices: [(matrix: [Int32], corners: String)] = [
        ([1, 0, 0, 1], "0123"), ([-1, 0, 0, 1], "1032"), ([-1, 0, 0, -1], "3210"), ([1, 0, 0, -1], "2301"),
        ([0, 1, -1, 0], "2031"), ([0, -1, 1, 0], "1302"), ([0, 1, 1, 0], "0213"), ([0, -1, -1, 0], "3120"),
    ]
    /// The same for the values of EXIF's orientation, 1 to 8.
    static let exif = ["0123", "1032", "3210", "2301", "0213", "2031", "3120", "1302"]

    /// Four areas with different colours.
    static let colours: [[UInt8]] = [[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30]]
    static func image(width: Int, height: Int) -> [UInt8] {
        (0..<width * height).flatMap { place in
            colours[(place / width < height / 2 ? 0 : 2) + (place % width < width / 2 ? 0 : 1)]
        }
    }

    /// Which stored corners are displayed at the top left, top right, bottom left and bottom right.
    static func corners(_ frame: VideoFrame) -> String {
        let (right, bottom) = (frame.width - 4, frame.height - 4)
        return [(4, 4), (right, 4), (4, bottom), (right, bottom)].map { x, y in
            let start = (y * frame.width + x) * 3
            let pixel = frame.pixels[start..<start + 3].map(Int.init)
            let distances = colours.map { zip($0, pixel).reduce(0) { $0 + abs(Int($1.0) - $1.1) } }
            return "\(distances.firstIndex(of: distances.min() ?? 0) ?? 0)"
        }.joined()
    }

    private func movie(_ matrix: [Int32]) throws -> String {
        let path = scratch.path + "/turned.mp4"
        let image = Self.image(width: 64, height: 48)
        try MovieWriter.write(frames: [image, image], width: 64, height: 48, frameRate: 25, to: path)
        try TestMovie.turn(path, by: matrix)
        return path
    }

    @Test("a display matrix rotates and mirrors frames", arguments: matrices)
    func matrix(matrix: [Int32], corners: String) throws {
        let reader = try VideoReader(path: try movie(matrix))
        let frame = try reader.sample(.first(frames: 1), framing: .full).frames[0]
        #expect(Self.corners(frame) == corners)
        #expect((frame.width, frame.height) == (matrix[0] == 0 ? (48, 64) : (64, 48)))
        #expect((reader.information.width, reader.information.height) == (frame.width, frame.height))
        // The same region of the image is cropped in any orientation.
        let square = try reader.sample(.first(frames: 1), framing: .centerSquare(size: 40)).frames[0]
        #expect(Self.corners(square) == corners)
    }

    @Test(
        "the ffmpeg command rotates and mirrors in the same way",
        .enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale"), arguments: matrices)
    func command(matrix: [Int32], corners: String) throws {
        let path = try movie(matrix)
        let frame = try VideoReader(path: path).sample(.first(frames: 1), framing: .full).frames[0]
        let theirs = try FFmpegCommand.pixels(of: path, frames: 1, ["-sws_flags", FFmpegCommandTests.flags], scratch)
        try #require(theirs.count == frame.pixels.count)
        let difference = zip(frame.pixels, theirs).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        // There, chroma is rotated before interpolation; here, after it.
        #expect(Double(difference) / Double(theirs.count) < 3)
    }

    @Test("EXIF orientation rotates and mirrors the images of a folder", arguments: 1...8) func exif(value: Int) throws
    {
        for index in 0..<3 {
            let image = RGBImage(width: 64, height: 48, pixels: Self.image(width: 64, height: 48))
            let jpeg = try image.encoded(as: .jpeg(quality: 2))
            _ = try scratch.file("clip/\(index).jpg", jpeg.prefix(2) + Self.segment(value) + jpeg.dropFirst(2))
        }
        let clip = try openClip(path: scratch.path + "/clip")
        let frames = try clip.sample(.first(frames: 3), framing: .full).frames
        #expect(frames.map(Self.corners) == [String](repeating: Self.exif[value - 1], count: 3))
        #expect((clip.information.width, clip.information.height) == (value > 4 ? (48, 64) : (64, 48)))
    }

    /// An APP1 segment with one tag, orientation.
    static func segment(_ orientation: Int) -> Data {
        let tiff =
            Data("II".utf8)
            + Data([42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, UInt8(orientation), 0, 0, 0, 0, 0, 0, 0])
        let content = Data("Exif".utf8) + Data([0, 0]) + tiff
        return Data([0xFF, 0xE1, UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 255)]) + content
    }

    @Test(
        "an orientation in the H.264 stream is applied, with start codes and with length prefixes",
        arguments: ["ts", "mp4"])
    func message(ending: String) throws {
        let raw = try #require(Bundle.module.url(forResource: "Fixtures/matrix/h264-turned", withExtension: ending))
        let reader = try VideoReader(path: raw.path)
        #expect((reader.information.width, reader.information.height) == (32, 48))
        let frame = try reader.sample(.first(frames: 1), framing: .full).frames[0]
        #expect((frame.width, frame.height) == (32, 48))
    }

    @Test("damaged or absurd matrices leave images unchanged, or rotate them by multiples of 90°") func absurd() {
        #expect(Orientation(matrix: []) == .asStored)
        #expect(Orientation(matrix: [Int32](repeating: 0, count: 9)) == .asStored)
        #expect(Orientation(matrix: [.min, .max, .min, .max, .min, .max, 0, 0, 0]).shown((2, 1)).width > 0)
        for seed in 0..<200 as Range<Int32> {
            let matrix = (0..<9).map { ($0 &* 1_664_525 &+ seed &* 1_013_904_223) }
            let size = Orientation(matrix: matrix).shown((5, 3))
            #expect(size == (5, 3) || size == (3, 5))
        }
    }
}

import Foundation
import TestSupport
import Testing
@testable import Video

@Suite struct AspectTests {
    let scratch = ScratchFolder()

    /// A clip with this stored size and pixel aspect ratio, whose brightness increases from left to right.
    private func clip(_ width: Int, _ height: Int, aspect: String, name: String = "clip.y4m") throws -> String {
        var data = TinyClip.y4m(width: width, height: height, frames: 2) { pixel, _ in
            UInt8(40 + 160 * (pixel % width) / width)
        }
        let header = "YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C444\n"
        data.replaceSubrange(0..<header.utf8.count, with: Data(header.replacing("A1:1", with: "A" + aspect).utf8))
        return try scratch.file(name, data)
    }

    private func sample(_ path: String, _ framing: Framing, _ aspect: Aspect) throws -> VideoFrame {
        try openClip(path: path).sample([SampleRequest(.first(frames: 1), framing: framing, aspect: aspect)])[0].frames[
            0]
    }

    @Test(
        "the pixel aspect ratio is read; absurd ones count as square",
        arguments: [("2:1", 2.0), ("16:15", 16.0 / 15), ("1:2", 0.5), ("0:0", 1.0), ("1000:1", 1.0), ("1:1", 1.0)])
    func information(text: String, ratio: Double) throws {
        let information = try openClip(path: clip(24, 48, aspect: text)).information
        #expect(information.pixelAspect == ratio)
        #expect((information.width, information.height) == (24, 48))
        #expect(information.shownSize == (Int((24 * ratio).rounded()), 48))
    }

    @Test("the centre crop is square at display aspect ratio, whatever the stored shape") func square() throws {
        // Displayed as 48 × 48: nothing is cropped.
        let whole = try sample(clip(24, 48, aspect: "2:1"), .centerSquare(size: 24), .display)
        let row = (0..<24).map { whole.pixels[$0 * 3] }
        #expect(row[0] < 50 && row[23] > 170)
        // Stored as 24 × 48: a square of 24 × 24 is cropped from the centre, with the full width too, but stretched.
        let stored = try sample(clip(24, 48, aspect: "2:1"), .centerSquare(size: 24), .stored)
        #expect(stored.width == 24 && stored.height == 24)
        // Stored as 48 × 48: the full width is sampled, half of which `display` crops below.
        let wide = try sample(clip(48, 48, aspect: "2:1", name: "wide.y4m"), .centerSquare(size: 24), .stored)
        #expect(wide.pixels[0] < 50 && wide.pixels[23 * 3] > 170)
        // Displayed as 96 × 48: half of the width is cropped.
        let half = try sample(clip(48, 48, aspect: "2:1", name: "wide.y4m"), .centerSquare(size: 24), .display)
        let middle = (0..<24).map { half.pixels[$0 * 3] }
        #expect(middle[0] > 70 && middle[23] < 170)
        let bilinear = try sample(
            clip(48, 48, aspect: "2:1", name: "wide.y4m"), .centerSquare(size: 24, filter: .bilinear), .display)
        #expect(zip(bilinear.pixels, half.pixels).allSatisfy { abs(Int($0) - Int($1)) < 8 })
    }

    @Test("clips with square pixels give the same frames in both modes", arguments: ResizeFilter.allCases)
    func same(filter: ResizeFilter) throws {
        let path = try clip(50, 37, aspect: "1:1")
        for framing in [Framing.full, .centerSquare(size: 20, filter: filter), .whole(width: 9, height: 30)] {
            #expect(try sample(path, framing, .display) == sample(path, framing, .stored))
        }
    }

    @Test("crops stay inside the image, for any shape and place") func crops() {
        for (width, height) in [(1, 1), (2, 300), (300, 2), (17, 31)] {
            for ratio in [1.0 / 16, 0.5, 1, 1.09, 2, 16] {
                for (scale, x, y) in [(1.0, 0.5, 0.5), (0.875, 0, 1), (0.875, 1, 0), (0.01, 0.3, 0.3)] {
                    let crop = Crop.square(
                        .init(scale: scale, x: x, y: y, isMirrored: false), width: width, height: height,
                        pixelAspect: ratio)
                    #expect(crop.x >= 0 && crop.y >= 0 && crop.width > 0 && crop.height > 0)
                    #expect(crop.x + crop.width <= width && crop.y + crop.height <= height)
                }
            }
        }
    }

    @Test(
        "the complete image at display aspect ratio is bit-identical to ffmpeg's scale=iw*sar:ih",
        .enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale"),
        arguments: ["2:1", "16:15", "1:2"])
    func command(aspect: String) throws {
        let path = try clip(32, 48, aspect: aspect)
        let frame = try sample(path, .full, .display)
        let flags = FFmpegCommandTests.flags
        let theirs = try FFmpegCommand.pixels(
            of: path, frames: 1, ["-vf", "scale=round(iw*sar):ih:flags=\(flags)+full_chroma_inp", "-sws_flags", flags],
            scratch)
        #expect(theirs == frame.pixels)
    }

    @Test("a rotation by 90° swaps width and height of a pixel") func turned() {
        var shape = DisplayGeometry.square
        shape.pixelAspect = 2
        #expect(shape.shownPixelAspect == 2)
        shape.orientation = Orientation(isTransposed: true)
        #expect(shape.shownPixelAspect == 0.5)
    }
}

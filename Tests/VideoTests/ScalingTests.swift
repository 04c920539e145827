import CFFmpeg
import Foundation
import TestSupport
import Testing
@testable import Video

/// Compares libswscale's output through separate planes with its direct output.
@Suite struct ScalingTests {
    static let formats = [
        AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_NV12, AV_PIX_FMT_RGB24, AV_PIX_FMT_GRAY8,
        AV_PIX_FMT_YUV420P10LE, AV_PIX_FMT_P010LE, AV_PIX_FMT_RGB48LE, AV_PIX_FMT_PAL8,
    ]
    static let sizes = [(240, 224), (225, 224), (64, 64), (48, 61), (127, 32), (33, 97)]

    private static func conversion(
        _ format: AVPixelFormat, _ size: (Int, Int), isCubic: Bool = false, isFullRange: Bool = false
    ) -> Conversion {
        Conversion(
            format: format.rawValue, isFullRange: isFullRange, matrix: isFullRange ? SWS_CS_ITU709 : SWS_CS_DEFAULT,
            width: size.0, height: size.0, newWidth: size.1, newHeight: size.1, isCubic: isCubic)
    }

    /// An image of smooth stripes, and the positions of its planes.
    private static func stripes(
        _ conversion: Conversion, _ body: ([UnsafeMutablePointer<UInt8>?], [Int32]) throws -> Void
    ) rethrows {
        var planes = [UnsafeMutablePointer<UInt8>?](repeating: nil, count: 4)
        var strides = [Int32](repeating: 0, count: 4)
        let (width, height) = (Int32(conversion.width), Int32(conversion.height))
        let bytes = av_image_alloc(&planes, &strides, width, height, AVPixelFormat(conversion.format), 32)
        defer { av_freep(&planes) }
        // In two-byte samples the upper byte must not exceed ten bits.
        let isWide = av_pix_fmt_desc_get(AVPixelFormat(conversion.format)).pointee.comp.0.depth == 10
        for place in 0..<Int(bytes) {
            planes[0]?[place] = UInt8(abs(place * 5 / 3 % 510 - 255)) & (isWide && place % 2 == 1 ? 3 : 255)
        }
        try body(planes, strides)
    }

    @Test("pixels are bit-identical, whether or not they are converted from separate planes", arguments: formats)
    func planes(_ format: AVPixelFormat) throws {
        for (size, isCubic) in Self.sizes.flatMap({ [($0, false), ($0, true)] }) {
            for isFullRange in [false, true] {
                let conversion = Self.conversion(format, size, isCubic: isCubic, isFullRange: isFullRange)
                let usual = try #require(ScalingContext(conversion, inPlanes: false))
                let chosen = try #require(ScalingContext(conversion, inPlanes: conversion.isSameInPlanes))
                Self.stripes(conversion) { planes, strides in
                    let (expected, found) = (
                        usual.scale(planes, strides: strides), chosen.scale(planes, strides: strides)
                    )
                    #expect(expected.rows == size.1 && expected.pixels.count == size.1 * size.1 * 3)
                    #expect(found == expected, "\(size), cubic \(isCubic), full range \(isFullRange)")
                }
            }
        }
    }

    // Other versions of libswscale may round differently, which only costs time.
    @Test(
        "separate planes are used if images are downscaled",
        .enabled(if: swscale_version() >> 16 == 6, "needs libswscale 6"))
    func choice() {
        #expect(Self.conversion(AV_PIX_FMT_YUV420P, (240, 224)).isSameInPlanes)
        #expect(Self.conversion(AV_PIX_FMT_YUV420P, (48, 61), isCubic: true).isSameInPlanes)
        #expect(Self.conversion(AV_PIX_FMT_YUV420P10LE, (240, 224)).isSameInPlanes)
    }

    @Test("separate planes are not used for float and palette formats") func oddFormats() {
        #expect(!Self.conversion(AV_PIX_FMT_GBRPF32LE, (240, 224)).isSameInPlanes)
        #expect(!Self.conversion(AV_PIX_FMT_PAL8, (240, 224)).isSameInPlanes)
    }
}

@Suite struct ResizeTests {
    struct Golden: Decodable, CustomTestStringConvertible {
        let filter: ResizeFilter
        let side, size, step: Int
        let pixels: [UInt8]
        var testDescription: String { "\(filter.rawValue) \(side) to \(size)" }
    }

    static let goldens: [Golden] = fixture("resize", in: Bundle.module)

    /// `image` of Tests/Parity/resize_goldens.py.
    static func image(side: Int) -> [UInt8] {
        (0..<side * side * 3).map { position in
            let (y, x, c) = (position / 3 / side, position / 3 % side, position % 3)
            return UInt8((x * 7 + y * 13 + c * 31 + x * y % 17 * 5) % 256)
        }
    }

    @Test("each filter equals OpenCV's or PIL's", arguments: goldens) func equalsPeers(golden: Golden) throws {
        let scratch = ScratchFolder()
        let side = golden.side
        let path = try scratch.file("p.ppm", TestMovie.ppm(Self.image(side: side), width: side, height: side))
        let framing = Framing.centerSquare(size: golden.size, filter: golden.filter)
        let frame = try VideoReader(path: path).sample(.first(frames: 1), framing: framing).frames[0]
        let errors = golden.pixels.enumerated().map { abs(Int(frame.pixels[$0 * golden.step]) - Int($1)) }
        if golden.filter == .bilinear {
            #expect(errors.max()! <= 1)
        } else {
            // At the borders PIL ignores missing pixels, whereas libswscale repeats the last one.
            #expect(Double(errors.reduce(0, +)) / Double(errors.count) <= 0.5)
            #expect(Double(errors.count { $0 > 2 }) / Double(errors.count) <= 0.03)
        }
    }
}

/// Compares decoded pixels with the ffmpeg command's, with the flags of the README.
@Suite(.enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale")) struct FFmpegCommandTests {
    static let flags = "bilinear+accurate_rnd+full_chroma_int"

    /// A video of coloured edges, and real clips if available.
    static let movies = ["generated"] + ClipTests.goldens.map(\.name).filter { _ in SampleClips.arePresent }

    private func path(_ name: String, in scratch: ScratchFolder) throws -> String {
        guard name == "generated" else { return SampleClips.folder + "/" + name }
        return try TestMovie.write(to: scratch.path + "/movie.mp4", width: 66, height: 50)
    }

    @Test("pixels equal those of ffmpeg -pix_fmt rgb24 with the README's flags", arguments: movies)
    func exact(name: String) throws {
        let scratch = ScratchFolder()
        let path = try path(name, in: scratch)
        let frames = try VideoReader(path: path).sample(.first(frames: 8), seed: 0, framing: .full).frames
        let pixels = frames.flatMap(\.pixels)
        let exact = try FFmpegCommand.pixels(of: path, frames: frames.count, ["-sws_flags", Self.flags], scratch)
        #expect(pixels.count == exact.count && pixels == exact)
    }

    @Test(
        "without these flags ffmpeg's pixels differ by a level or more on average, as the README says",
        arguments: movies)
    func plain(name: String) throws {
        let scratch = ScratchFolder()
        let path = try path(name, in: scratch)
        let exact = try FFmpegCommand.pixels(of: path, frames: 8, ["-sws_flags", Self.flags], scratch)
        let plain = try FFmpegCommand.pixels(of: path, frames: 8, [], scratch)
        try #require(exact.count == plain.count && !exact.isEmpty)
        let difference = zip(exact, plain).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        let mean = Double(difference) / Double(exact.count)
        #expect((0.3...6).contains(mean), "\(mean)")
    }
}

enum FFmpegCommand {
    /// Whether it is available, with the libswscale that this program uses.
    static let isSame: Bool = {
        guard let said = try? ChildProcess.run("ffmpeg", ["-version"]).out else { return false }
        let version = said.firstMatch(of: /libswscale +(\d+)\. *(\d+)\./).flatMap { match in
            Int(match.1).flatMap { major in Int(match.2).map { (major, $0) } }
        }
        let own = Int(swscale_version())
        return version.map { $0 == (own >> 16, own >> 8 & 255) } ?? false
    }()

    /// The first frames as RGB, concatenated.
    static func pixels(of path: String, frames: Int, _ options: [String], _ scratch: ScratchFolder) throws -> [UInt8] {
        let output = scratch.path + "/frames.rgb"
        let end = ["-frames:v", "\(frames)", "-f", "rawvideo", "-pix_fmt", "rgb24", output]
        let run = try ChildProcess.run(
            "ffmpeg",
            ["-nostdin", "-v", "error", "-y", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough"] + options + end)
        #expect(run.status == 0, "\(run.error)")
        return try [UInt8](Data(contentsOf: URL(fileURLWithPath: output)))
    }
}

import Foundation
import TestSupport
import Testing
@testable import Video

@Suite struct WritingTests {
    /// A bright square that moves over a gradient.
    static func frame(_ index: Int, width: Int = 64, height: Int = 48) -> RGBImage {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                let isInside = (4 * index..<4 * index + 12).contains(x) && (10..<24).contains(y)
                pixels += isInside ? [250, 40, 40] : [UInt8(x * 2), UInt8(y * 3), 90]
            }
        }
        return RGBImage(width: width, height: height, pixels: pixels)
    }

    private static func difference(_ first: [UInt8], _ second: [UInt8]) -> Double {
        zip(first, second).reduce(0) { $0 + Double(abs(Int($1.0) - Int($1.1))) } / Double(first.count)
    }

    @Test("a PNG is read back unchanged, a JPEG nearly") func stills() throws {
        let scratch = ScratchFolder()
        let image = Self.frame(3)
        try image.write(to: scratch.path + "/a.png")
        try image.write(as: .jpeg(quality: 2), to: scratch.path + "/a.jpg")
        func read(_ name: String) throws -> VideoFrame {
            try openClip(path: scratch.path + "/" + name).sample(.first(frames: 1), framing: .full).frames[0]
        }
        #expect(try read("a.png").pixels == image.pixels)
        #expect(Self.difference(try read("a.jpg").pixels, image.pixels) < 6)
        #expect(throws: VideoError.self) { try image.write(to: scratch.path + "/no such folder/a.png") }
    }

    @Test("a GIF has all frames, its frame rate, and colours near those of the images", arguments: [4.0, 10, 12.5])
    func gif(rate: Double) throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/a.gif"
        let frames = (0..<9).map { Self.frame($0) }
        try GIFWriter.write(frames, frameRate: rate, to: path)
        let clip = try openClip(path: path)
        #expect(clip.information.frameCount == 9)
        let times = clip.information.frameTimes
        #expect(abs(8 / (times[8] - times[0]) - rate) < 0.02 * rate)
        let read = try clip.sample(.first(frames: 9), framing: .full).frames
        #expect(zip(read, frames).allSatisfy { Self.difference($0.pixels, $1.pixels) < 6 })
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["a.gif"])
    }

    @Test("a video has all frames at the requested rate", arguments: [MovieWriter.Codec.h264, .mpeg4(quantizer: 2)])
    func video(codec: MovieWriter.Codec) throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/a.mp4"
        let writer = try MovieWriter(path: path, width: 64, height: 48, frameRate: 29.97, codec: codec)
        for index in 0..<12 { try writer.append(Self.frame(index).pixels) }
        #expect(!FileManager.default.fileExists(atPath: path))
        try writer.finish()
        let clip = try openClip(path: path)
        #expect(clip.information.frameCount == 12)
        #expect(abs(clip.information.frameRate - 29.97) < 0.01)
        let read = try clip.sample(.first(frames: 12), framing: .full).frames
        #expect(read.indices.allSatisfy { Self.difference(read[$0].pixels, Self.frame($0).pixels) < 12 })
    }

    @Test("an unfinished video leaves an existing file unchanged") func unfinished() throws {
        let scratch = ScratchFolder()
        let path = try scratch.file("a.mp4", "precious")
        do {
            let writer = try MovieWriter(path: path, width: 64, height: 48, frameRate: 25)
            try writer.append(Self.frame(0).pixels)
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["a.mp4"])
        #expect(throws: VideoError.self) {
            try MovieWriter(path: scratch.path + "/nowhere/a.mp4", width: 64, height: 48, frameRate: 25)
        }
    }

    @Test("streamed frames equal those of a sampling pass, for files and folders") func streaming() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/a.mp4"
        try MovieWriter.write(
            frames: (0..<30).map { Self.frame($0 % 12).pixels }, width: 64, height: 48, frameRate: 25, to: path)
        try FileManager.default.createDirectory(atPath: scratch.path + "/folder", withIntermediateDirectories: true)
        for index in 0..<7 { try Self.frame(index).write(to: "\(scratch.path)/folder/\(index).png") }
        for (path, sampling) in [
            (path, Sampling.rate(framesPerSecond: 7, frames: Sampling.unlimited)), (path, .uniform(frames: 5)),
            (path, .first(frames: Sampling.unlimited)),
            (scratch.path + "/folder", .stride(every: 2, start: .at(1), frames: 9)),
        ] {
            let request = SampleRequest(sampling, framing: .centerSquare(size: 32))
            let expected = try openClip(path: path).sample([request])[0].frames
            var frames: [VideoFrame] = []
            let errors = try openClip(path: path).forEachFrame(request) { frames.append($0) }
            #expect(errors == 0 && !frames.isEmpty)
            #expect(frames == expected)
            #expect(try openClip(path: path).times(request) == frames.map(\.time))
        }
    }

    @Test("any text is drawn on one line, and nothing in it is interpreted as a command")
    func letters() {
        let textRenderer = TextRenderer()
        let plain = textRenderer.mask("ace", size: 20)
        guard plain.width > 0 else { return }  // this FFmpeg draws no text
        #expect(plain.height == 30 && textRenderer.mask("Äg(", size: 20).height == 30)
        #expect(plain.coverage.max() ?? 0 > 200 && plain.coverage.min() == 0)
        #expect(textRenderer.mask("ace ace", size: 20).width > plain.width)
        #expect(textRenderer.mask("", size: 20).width == 0 && textRenderer.mask(" \n", size: 20).width == 0)
        let hostile = textRenderer.mask("%{pts}:x=0'\\,[out]", size: 20)
        #expect(hostile.width > 2 * plain.width)
        #expect(textRenderer.mask("a\nb", size: 20).coverage == textRenderer.mask("a b", size: 20).coverage)
        #expect(textRenderer.mask(String(repeating: "long ", count: 900), size: 20).width <= 2048)
    }
}

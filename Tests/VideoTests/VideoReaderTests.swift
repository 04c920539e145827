import Foundation
import TestSupport
import Testing
@testable import Video

enum TestMovie {
    /// Frame `index` of a video whose left half becomes brighter; the right half is blue.
    static func frame(_ index: Int, width: Int, height: Int) -> [UInt8] {
        (0..<height * width).flatMap { position -> [UInt8] in
            position % width < width / 2 ? [UInt8(20 + 4 * index % 200), 60, 30] : [30, 40, 200]
        }
    }

    /// Returns the path.
    @discardableResult
    static func write(to path: String, frames: Int = 20, width: Int = 64, height: Int = 48) throws -> String {
        try MovieWriter.write(
            frames: (0..<frames).map { frame($0, width: width, height: height) }, width: width, height: height,
            frameRate: 25, to: path)
        return path
    }

    /// Writes elements a, b, c and d of the display matrix into the track header.
    static func turn(_ path: String, by matrix: [Int32]) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = try #require(data.range(of: Data("tkhd".utf8)))
        for (value, offset) in zip(matrix, [0, 4, 12, 16]) {
            let start = header.lowerBound + 4 + 40 + offset
            data.replaceSubrange(start..<start + 4, with: withUnsafeBytes(of: (value * 0x10000).bigEndian) { Data($0) })
        }
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// A binary PPM image.
    static func ppm(_ pixels: [UInt8], width: Int, height: Int) -> Data {
        Data("P6\n\(width) \(height)\n255\n".utf8) + Data(pixels)
    }

    /// One second of silence as WAV.
    static var sound: Data {
        func bytes(_ value: UInt32) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }
        let format = Data([1, 0, 1, 0]) + bytes(8000) + bytes(8000) + Data([1, 0, 8, 0])
        let body = Data("fmt ".utf8) + bytes(16) + format + Data("data".utf8) + bytes(8000)
        return Data("RIFF".utf8) + bytes(UInt32(4 + body.count + 8000)) + Data("WAVE".utf8) + body
            + Data(repeating: 128, count: 8000)
    }
}

@Suite struct VideoReaderTests {
    let scratch = ScratchFolder()

    @Test("written videos are read back: frame count, times and nearly the same pixels") func roundTrip() throws {
        let reader = try VideoReader(path: TestMovie.write(to: scratch.path + "/movie.mp4"))
        #expect(reader.information.frameCount == 20)
        #expect(reader.information.width == 64)
        #expect(reader.information.height == 48)
        #expect(reader.information.frameRate == 25)
        #expect(abs(reader.information.duration - 0.8) < 1e-9)
        let sampled = try reader.sample(.stride(every: 6, start: .at(1), frames: 3), seed: 0, framing: .full)
        #expect(sampled.decodeErrors == 0)
        #expect(sampled.frames.map(\.index) == [1, 7, 13])
        for frame in sampled.frames {
            #expect(abs(frame.time - Double(frame.index) / 25) < 1e-9)
            let expected = TestMovie.frame(frame.index, width: 64, height: 48)
            let errors = zip(frame.pixels, expected).map { abs(Int($0) - Int($1)) }
            // Compression and chroma subsampling blur the edge between the halves.
            #expect(Double(errors.reduce(0, +)) / Double(errors.count) < 3)
        }
    }

    @Test("the same images give the same file") func writerIsDeterministic() throws {
        let files = try ["a.mp4", "b.mp4"].map {
            FileManager.default.contents(atPath: try TestMovie.write(to: scratch.path + "/" + $0))
        }
        #expect(files[0] != nil)
        #expect(files[0] == files[1])
    }

    @Test("a folder of images is a clip with frames in natural order and unchanged RGB pixels") func imageFolder()
        throws
    {
        for index in 1...12 {
            let pixels = (0..<6 * 4 * 3).map { UInt8(($0 * 7 + index * 13) % 256) }
            _ = try scratch.file("clip/rgb\(index).ppm", TestMovie.ppm(pixels, width: 6, height: 4))
        }
        _ = try scratch.file("clip/notes.txt", Data("not a frame".utf8))
        let clip = try openClip(path: scratch.path + "/clip")
        #expect(clip.information.frameCount == 12)
        let frames = try clip.sample(.first(frames: 12), seed: 0, framing: .full).frames
        for (index, frame) in frames.enumerated() {
            #expect(frame.index == index)
            #expect(frame.pixels == (0..<6 * 4 * 3).map { UInt8(($0 * 7 + (index + 1) * 13) % 256) })
        }
    }

    @Test("the centre square is cropped before resizing") func centerSquare() throws {
        // A red square in the centre of a blue image, wide and tall.
        for (width, height) in [(12, 4), (4, 12), (13, 5)] {
            let crop = Crop.centerSquare(width: width, height: height)
            let pixels = (0..<width * height).flatMap { position -> [UInt8] in
                let (x, y) = (position % width, position / width)
                let isInside = (crop.x..<crop.x + crop.width).contains(x) && (crop.y..<crop.y + crop.height).contains(y)
                return isInside ? [255, 0, 0] : [0, 0, 255]
            }
            let path = try scratch.file("p\(width).ppm", TestMovie.ppm(pixels, width: width, height: height))
            let frame = try VideoReader(path: path).sample(.first(frames: 1), seed: 0, framing: .centerSquare(size: 8))
                .frames[0]
            #expect(frame.width == 8 && frame.height == 8)
            #expect(stride(from: 0, to: frame.pixels.count, by: 3).allSatisfy { frame.pixels[$0] >= 254 })
            #expect(stride(from: 2, to: frame.pixels.count, by: 3).allSatisfy { frame.pixels[$0] <= 1 })
        }
    }

    @Test("a crop that begins inside a chroma sample takes the same pixels as one that does not")
    func oddCrop() throws {
        // 4:2:0 images of 50 × 40: the square begins at column 5. Vertical edges reveal any shift.
        let path = scratch.path + "/odd.mp4"
        let pixels = (0..<50 * 40).flatMap { position -> [UInt8] in
            position % 50 < 25 ? [240, 240, 240] : [16, 16, 16]
        }
        try MovieWriter.write(frames: [pixels], width: 50, height: 40, frameRate: 25, to: path)
        let frame = try VideoReader(path: path).sample(.first(frames: 1), seed: 0, framing: .centerSquare(size: 40))
            .frames[0]
        let row = (0..<40).map { frame.pixels[(20 * 40 + $0) * 3] }
        #expect(row[0..<19].allSatisfy { $0 > 200 })
        #expect(row[21..<40].allSatisfy { $0 < 60 })
    }

    @Test("display rotation is applied", arguments: [1, 2, 3]) func rotation(quarterTurns: Int) throws {
        let path = try TestMovie.write(to: scratch.path + "/turned.mp4", frames: 2)
        try TestMovie.turn(path, by: [[], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]][quarterTurns])
        let reader = try VideoReader(path: path)
        #expect(reader.information.width == (quarterTurns == 2 ? 64 : 48))
        let frame = try reader.sample(.first(frames: 1), seed: 0, framing: .full).frames[0]
        // Blue is on the right; after one clockwise quarter turn it is below, after two on the left, after three above.
        func blue(_ x: Int, _ y: Int) -> Bool { frame.pixels[(y * frame.width + x) * 3 + 2] > 120 }
        let (right, bottom) = (frame.width - 4, frame.height - 4)
        #expect(blue(right, bottom) == (quarterTurns == 1))
        #expect(blue(4, bottom) == (quarterTurns != 3))
        #expect(blue(4, 4) == (quarterTurns != 1))
    }

    @Test("videos with odd sizes are read", arguments: [(1, 1), (3, 5000), (5000, 3), (7, 9)])
    func oddSizes(width: Int, height: Int) throws {
        let path = try scratch.file(
            "odd.y4m", TinyClip.y4m(width: width, height: height, frames: 2) { _, frame in UInt8(60 + frame) })
        let sampled = try VideoReader(path: path).sample(
            .uniform(frames: 20), seed: 0, framing: .centerSquare(size: 32))
        #expect(sampled.frames.count == 2)
        #expect(sampled.frames.allSatisfy { $0.pixels.count == 32 * 32 * 3 })
        #expect(sampled.frames[0].pixels.allSatisfy { (40...75).contains($0) })
    }

    @Test("a truncated file gives its remaining frames") func truncated() throws {
        let data = TinyClip.y4m(width: 32, height: 32, frames: 30) { _, frame in UInt8(60 + frame) }
        let cut = try scratch.file("cut.y4m", data.prefix(data.count / 2))
        let sampled = try VideoReader(path: cut).sample(.uniform(frames: 10), seed: 0, framing: .full)
        #expect(sampled.frames.count == 10)
        #expect((sampled.frames.last?.index ?? 99) < 15)
    }

    @Test("damaged frames inside a video are skipped and counted, and the others are sampled") func damaged() throws {
        let path = try TestMovie.write(to: scratch.path + "/damaged.mp4", frames: 60)
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let start = try #require(data.range(of: Data("mdat".utf8))).upperBound
        let end = try #require(data.range(of: Data("moov".utf8))).lowerBound
        let middle = (start + end) / 2
        for position in middle..<min(middle + 400, end) { data[position] = UInt8(truncatingIfNeeded: position &* 31) }
        try data.write(to: URL(fileURLWithPath: path))
        let sampled = try VideoReader(path: path).sample(.uniform(frames: 20), seed: 0, framing: .full)
        #expect(sampled.frames.count == 20)
        #expect(sampled.decodeErrors > 0)
        #expect(zip(sampled.frames, sampled.frames.dropFirst()).allSatisfy { $0.index < $1.index })
    }

    @Test("a file that is no video is an error that names the file and what to do") func unusable() throws {
        let cases: [(String, Data?, (VideoError) -> Bool)] = [
            ("missing.mp4", nil, { if case .missing = $0 { true } else { false } }),
            ("empty.mp4", Data(), { if case .notVideo = $0 { true } else { false } }),
            (
                "text.mp4", Data(String(repeating: "This is not a video.\n", count: 100).utf8),
                { if case .notVideo = $0 { true } else { false } }
            ), ("sound.wav", TestMovie.sound, { if case .noVideoStream = $0 { true } else { false } }),
        ]
        for (name, data, isExpected) in cases {
            let path = try data.map { try scratch.file(name, $0) } ?? scratch.path + "/" + name
            let error = #expect(throws: VideoError.self) { try VideoReader(path: path) }
            #expect(error.map(isExpected) == true, "\(name): \(String(describing: error))")
            #expect(error?.localizedDescription.contains(name) == true)
        }
        #expect(throws: VideoError.self) { try openClip(path: scratch.path) }
    }

    @Test("a playlist cannot make the reader open another file") func playlist() throws {
        try TestMovie.write(to: scratch.path + "/real.mp4")
        let list = try scratch.file("list.mp4", Data("ffconcat version 1.0\nfile '\(scratch.path)/real.mp4'\n".utf8))
        #expect(throws: VideoError.self) { try VideoReader(path: list) }
    }

    @Test("a video that cannot be written leaves no file") func unwritable() {
        let path = scratch.path + "/no/such/folder/movie.mp4"
        #expect(throws: VideoError.self) { try TestMovie.write(to: path) }
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
    }

    @Test("a positioned square crop shows its part of the image, mirrored if requested") func placedSquare() throws {
        // The red of a pixel is its column, the green its row.
        var pixels: [UInt8] = []
        for index in 0..<600 { pixels += [UInt8(index % 30 * 8), UInt8(index / 30 * 8), 0] }
        let path = try scratch.file("p.ppm", TestMovie.ppm(pixels, width: 30, height: 20))
        func show(_ placement: Framing.Placement) throws -> [UInt8] {
            try VideoReader(path: path).sample(
                .first(frames: 1), framing: .square(size: 10, filter: .bilinear, placement: placement)
            ).frames[0].pixels
        }
        let corner = try show(.init(scale: 0.5, x: 1, y: 0, isMirrored: false))
        #expect(corner[0] == 160 && corner[9 * 3] == 232 && corner[1] == 0 && corner[9 * 30 + 1] == 72)
        let mirror = try show(.init(scale: 0.5, x: 1, y: 0, isMirrored: true))
        #expect(mirror[0] == 232 && mirror[9 * 3] == 160)
        let whole = try show(.center)
        let framed = try VideoReader(path: path).sample(
            .first(frames: 1), framing: .centerSquare(size: 10, filter: .bilinear))
        #expect(whole == framed.frames[0].pixels)
    }
}

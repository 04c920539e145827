import Foundation
import TestSupport
import Testing
@testable import Video

/// Real videos, if available: in the folder `ZOETROPE_CLIPS`, or beside the checkout.
enum SampleClips {
    static let folder: String =
        ProcessInfo.processInfo.environment["ZOETROPE_CLIPS"]
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/clips")
        .standardizedFileURL.path

    static var files: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { !$0.hasSuffix(".md") }.sorted()
    }

    static let arePresent = FileManager.default.fileExists(atPath: folder + "/mm_test.avi")
}

@Suite("real clips", .enabled(if: SampleClips.arePresent, "needs the sample clips")) struct ClipTests {
    struct Golden: Decodable, CustomTestStringConvertible {
        struct Frame: Decodable {
            let index: Int
            let pixels: [UInt8]
        }
        let name: String
        let width, height, count: Int
        let times: [Double]
        let step: Int
        let frames: [Frame]
        var testDescription: String { name }
    }

    static let goldens: [Golden] = fixture("clips", in: Bundle.module)

    @Test("frame counts, sizes and times equal those of ffprobe", arguments: goldens)
    func information(golden: Golden) throws {
        let information = try VideoReader(path: SampleClips.folder + "/" + golden.name).information
        #expect(information.frameCount == golden.count)
        #expect(information.width == golden.width)
        #expect(information.height == golden.height)
        for (ours, theirs) in zip(information.frameTimes, golden.times) { #expect(abs(ours - theirs) < 1e-5) }
    }

    @Test("pixels equal those of ffmpeg -pix_fmt rgb24 with bilinear+accurate_rnd+full_chroma_int", arguments: goldens)
    func pixels(golden: Golden) throws {
        let reader = try VideoReader(path: SampleClips.folder + "/" + golden.name)
        let last = golden.frames.map(\.index).max()!
        let frames = try reader.sample(.first(frames: last + 1), seed: 0, framing: .full).frames
        try #require(frames.count == last + 1)
        for expected in golden.frames {
            let frame = frames[expected.index]
            #expect(frame.index == expected.index)
            var sum = 0
            for (position, value) in expected.pixels.enumerated() {
                let pixel = position / 3 * golden.step
                sum += abs(Int(frame.pixels[pixel * 3 + position % 3]) - Int(value))
            }
            let meanError = Double(sum) / Double(expected.pixels.count)
            #expect(meanError <= 1.5, "frame \(expected.index): mean absolute error \(meanError) of 255")
        }
    }

    @Test("uniform sampling gives 20 frames spread over the decodable frames", arguments: goldens)
    func uniform(golden: Golden) throws {
        let reader = try VideoReader(path: SampleClips.folder + "/" + golden.name)
        let frames = try reader.sample(.uniform(frames: 20), seed: 0, framing: .centerSquare(size: 64)).frames
        let expected = (0..<20).map { (2 * $0 + 1) * golden.count / 40 }
        #expect(frames.map(\.index) == (golden.count < 20 ? Array(0..<golden.count) : expected))
        #expect(frames.allSatisfy { $0.pixels.count == 64 * 64 * 3 })
    }

    @Test("frames decoded by seeking are bit-identical to those of sequential decoding", arguments: SampleClips.files)
    func sparse(name: String) throws {
        let reader = try VideoReader(path: SampleClips.folder + "/" + name)
        let framing = Framing.centerSquare(size: 48)
        let count = min(reader.information.frameCount, 400)
        let all = try reader.sample(.first(frames: count), framing: framing)
        for (every, start) in [(7, 0), (10, 3), (1, 0), (29, 11), (61, 50), (97, 90)] where start < count {
            let frames = max(1, (count - start) / every)
            let sparse = try reader.sample(.stride(every: every, start: .at(start), frames: frames), framing: framing)
            #expect(sparse.frames == sparse.frames.map { all.frames[$0.index] }, "every \(every) from \(start)")
            #expect(sparse.decodeErrors <= all.decodeErrors)
        }
    }
}

@Suite struct ImageFolderTests {
    let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for index in 0..<4 { try write("clip/\(index).png", shade: UInt8(10 * index)) }
    }

    private func write(_ name: String, shade: UInt8) throws {
        let image = RGBImage(width: 6, height: 4, pixels: [UInt8](repeating: shade, count: 6 * 4 * 3))
        try scratch.file(name, image.encoded(as: .png))
    }

    @Test("a broken first image is a decode error, and the other images form the clip", arguments: ["", "no image"])
    func brokenFirst(content: String) throws {
        try scratch.file("clip/0.png", content)
        let folder = try ImageFolder(path: scratch.path + "/clip")
        #expect(folder.information.width == 6 && folder.information.height == 4 && folder.information.frameCount == 4)
        let sampled = try folder.sample(.first(frames: 4), framing: .full)
        #expect(sampled.frames.map(\.index) == [1, 2, 3] && sampled.decodeErrors == 1)
        #expect(try folder.forEachFrame(SampleRequest(.first(frames: 4), framing: .full)) { _ in } == 1)
        for index in 1..<4 { try scratch.file("clip/\(index).png", content) }
        #expect(throws: VideoError.self) { try ImageFolder(path: scratch.path + "/clip") }
    }

    @Test("other files, pipes and folders with names of images are no frames", .timeLimit(.minutes(1)))
    func others() throws {
        for name in ["Thumbs.db", "notes.txt", "folder.png/inside.png"] { try scratch.file("clip/" + name) }
        try #require(mkfifo(scratch.path + "/clip/pipe.png", 0o600) == 0)
        let contents = try ImageFolderContents(scratch.path + "/clip")
        #expect(contents.images == ["0.png", "1.png", "2.png", "3.png"])
        #expect(contents.others.map(\.name).sorted() == ["folder.png", "notes.txt", "pipe.png"])
        #expect(try openClip(path: scratch.path + "/clip").information.frameCount == 4)
    }

    @Test("images without a file extension are frames too") func byContent() throws {
        try write("clip/4", shade: 99)
        try scratch.file("clip/5.tga", Self.targa)
        #expect(try ImageFolder(path: scratch.path + "/clip").information.frameCount == 6)
    }

    /// 2 × 2 grey pixels; the format has no signature.
    private static var targa: Data {
        Data([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 24, 0]) + Data(repeating: 90, count: 12)
    }
}

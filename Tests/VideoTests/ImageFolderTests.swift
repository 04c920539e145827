import Foundation
import TestSupport
import Testing

@testable import Video

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

    @Test("a broken first image is a decode error, and the others are the clip", arguments: ["", "no image"])
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

    @Test("other files, pipes and folders named like images are no frames", .timeLimit(.minutes(1)))
    func others() throws {
        for name in ["Thumbs.db", "notes.txt", "folder.png/inside.png"] { try scratch.file("clip/" + name) }
        try #require(mkfifo(scratch.path + "/clip/pipe.png", 0o600) == 0)
        let contents = try ImageFolderContents(scratch.path + "/clip")
        #expect(contents.images == ["0.png", "1.png", "2.png", "3.png"])
        #expect(contents.others.map(\.name).sorted() == ["folder.png", "notes.txt", "pipe.png"])
        #expect(try openClip(path: scratch.path + "/clip").information.frameCount == 4)
    }

    @Test("images without an ending are frames too") func byContent() throws {
        try write("clip/4", shade: 99)
        try scratch.file("clip/5.tga", Self.targa)
        #expect(try ImageFolder(path: scratch.path + "/clip").information.frameCount == 6)
    }

    /// 2 × 2 grey pixels; the format has no signature.
    private static var targa: Data {
        Data([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 24, 0]) + Data(repeating: 90, count: 12)
    }
}

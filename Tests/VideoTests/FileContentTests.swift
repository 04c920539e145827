import Files
import Foundation
import TestSupport
import Testing
@testable import Video

@Suite struct FileContentTests {
    let scratch = ScratchFolder()

    private func content(_ name: String, _ data: Data) throws -> FileContent {
        try FileContent.of(scratch.file(name, data))
    }

    private static func image(_ shade: UInt8, as format: RGBImage.Format) throws -> Data {
        try RGBImage(width: 24, height: 16, pixels: [UInt8](repeating: shade, count: 24 * 16 * 3)).encoded(as: format)
    }

    @Test(
        "videos are detected from their content, whatever their extension",
        arguments: ["clip", "clip.divx", "clip.txt", "clip.png"])
    func videos(name: String) throws {
        #expect(try content(name, TinyClip.numbered(1)) == .video)
        let movie = try TestMovie.write(to: scratch.path + "/a.mp4")
        #expect(try content(name, Data(contentsOf: URL(fileURLWithPath: movie))) == .video)
    }

    @Test("one image is an image, and several JPEGs in one file are a video") func images() throws {
        #expect(try content("a.png", Self.image(9, as: .png)) == .image)
        #expect(try content("image", Self.image(9, as: .png)) == .image)
        let jpegs = try (0..<40).map { try Self.image(UInt8($0), as: .jpeg(quality: 2)) }
        #expect(try content("a.jpg", jpegs[0]) == .image && content("image", jpegs[0]) == .image)
        for name in ["a.mjpeg", "a.mjpg", "images"] { #expect(try content(name, Data(jpegs.joined())) == .video) }
        #expect(try content("a.ppm", TestMovie.ppm([UInt8](repeating: 7, count: 12), width: 2, height: 2)) == .image)
    }

    @Test("text, audio, playlists, animated WebP and empty files are detected; other bytes have no known format")
    func others() throws {
        #expect(try content("a.txt", Data("Some text.\n".utf8)) == .text)
        #expect(try content("a.srt", Data("1\n00:00:01,000 --> 00:00:02,000\nText\n".utf8)) == .text)
        #expect(try content("a.json", Data("{\"a\": 1}".utf8)) == .text)
        #expect(try content("latin.csv", Data("caf".utf8) + Data([0xE9]) + Data(",1\n".utf8)) == .text)
        #expect(try content("a", Data()) == .empty)
        #expect(try content("a.mp2", TestMovie.sound) == .audio)
        #expect(try content("a.webp", Self.animatedWebP) == .animatedWebP)
        let playlists = [
            "#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", "\u{FEFF}#EXTM3U\r\na.mp4\r\n", "[playlist]\nFile1=a.mp4\n",
            "ffconcat version 1.0\nfile a.mp4\n", "file 'a.mp4'\n",
            "<?xml version=\"1.0\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"/>\n",
        ]
        for text in playlists { #expect(try content("list.mp4", Data(text.utf8)) == .playlist, "\(text)") }
        #expect(try content("list.m3u", Data("a.mp4\nb.mp4\n".utf8)) == .playlist)
        var state: UInt64 = 1
        for count in [10, 1000, 5000, 70_000] {
            let bytes = (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            }
            #expect(try content("random", Data(bytes)) == .unknown, "\(count)")
        }
        #expect(try content("zeros", Data(count: 10_000)) == .unknown)
        let movie = try TestMovie.write(to: scratch.path + "/whole.mp4")
        #expect(try content("cut", Data(contentsOf: URL(fileURLWithPath: movie)).prefix(200)) == .damaged)
    }

    /// A header that declares an animated WebP, without frames.
    static var animatedWebP: Data {
        Data("RIFF".utf8) + Data([50, 0, 0, 0]) + Data("WEBPVP8X".utf8)
            + Data([10, 0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 15, 0, 0])
            + Data("ANIM".utf8) + Data([6, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + Data(count: 20)
    }

    @Test("pipes and devices are not opened", .timeLimit(.minutes(1))) func special() throws {
        let pipe = scratch.path + "/pipe.mp4"
        try #require(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, "/dev/zero", scratch.path, scratch.path + "/none"] {
            #expect(throws: FileError.self) { try FileContent.of(path) }
            #expect(throws: VideoError.self) { try openClip(path: path) }
        }
    }

    @Test(
        "elementary streams and rare containers are videos",
        .enabled(if: FFmpegCommand.isSame, "needs ffmpeg with the linked libswscale"),
        arguments: [
            ["-c:v", "mpeg2video", "a.m2v"], ["-c:v", "mpeg1video", "a.m1v"], ["-c:v", "mpeg4", "-f", "m4v", "a.cmp"],
            ["-c:v", "mjpeg", "a.mjpeg"], ["-c:v", "mpeg4", "a.nut"], ["-c:v", "mpeg2video", "-f", "vob", "a.m2p"],
            ["-c:v", "mpeg4", "-f", "avi", "a.divx"], ["-c:v", "flv1", "-f", "flv", "a.f4v"],
            ["-c:v", "mpeg4", "-f", "mov", "a.qt"], ["-c:v", "mpeg2video", "-f", "mpegts", "a.tp"],
            ["-c:v", "apng", "a.apng"],
        ])
    func streams(arguments: [String]) throws {
        let name = try #require(arguments.last)
        let made = try ChildProcess.run(
            "ffmpeg",
            ["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=s=96x64:r=25", "-frames:v", "30"] + arguments,
            in: scratch.path)
        try #require(made.status == 0, "\(made.error)")
        #expect(try FileContent.of(scratch.path + "/" + name) == .video)
        #expect(try VideoReader(path: scratch.path + "/" + name).information.frameCount == 30)
    }
}

@Suite struct ReasonTests {
    let scratch = ScratchFolder()

    private func reason(_ name: String, _ data: Data) throws -> VideoError? {
        let path = try scratch.file(name, data)
        return #expect(throws: VideoError.self) { try openClip(path: path) }
    }

    @Test("errors for a playlist, text, audio and an animated WebP name the kind of file") func files() throws {
        let path = scratch.path
        #expect(try reason("a.m3u8", Data("#EXTM3U\nb.mp4\n".utf8)) == .playlist(path: path + "/a.m3u8"))
        #expect(
            try reason("a.mp4", Data("ffconcat version 1.0\nfile b.mp4\n".utf8)) == .playlist(path: path + "/a.mp4"))
        #expect(
            try reason("b.mp4", Data("Text.\n".utf8)) == .notVideo(path: path + "/b.mp4", reason: "it is a text file"))
        let bytes = Data((0..<3000).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + 200) })
        let unknown = try reason("e.mp4", bytes)
        #expect(unknown == .notVideo(path: path + "/e.mp4", reason: "it is of an unsupported format"))
        let movie = try TestMovie.write(to: path + "/whole.mp4")
        let cut = try reason("cut.mp4", Data(contentsOf: URL(fileURLWithPath: movie)).prefix(200))
        #expect(cut?.localizedDescription.contains("it is damaged or cut off: ") == true)
        #expect(try reason("c.mp4", TestMovie.sound) == .noVideoStream(path: path + "/c.mp4", hasAudio: true))
        #expect(try reason("d.webp", FileContentTests.animatedWebP) == .animatedWebP(path: path + "/d.webp"))
    }

    @Test("the error for a folder without images lists what it contains") func folders() throws {
        for name in ["videos/b.mp4", "videos/a.avi", "texts/a.txt", "folders/one/x.mp4"] { try scratch.file(name) }
        try scratch.file("unnamed/clip", TinyClip.numbered(1))
        try FileManager.default.createDirectory(atPath: scratch.path + "/empty", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: scratch.path + "/pipes", withIntermediateDirectories: true)
        try #require(mkfifo(scratch.path + "/pipes/0.png", 0o600) == 0)
        for (name, content) in [
            ("pipes", "the entry 0.png (a named pipe)"), ("videos", "the videos a.avi, b.mp4"),
            ("texts", "the file a.txt"), ("folders", "the folder one"),
            ("unnamed", "the video clip"), ("empty", "nothing"),
        ] {
            let path = scratch.path + "/" + name
            #expect(throws: VideoError.noImages(path: path, holds: content)) { try openClip(path: path) }
        }
    }

    @Test("the error for a single image that does not fill a window says that it is an image") func image() {
        let sampling = WindowSampling(length: 16, stride: 16, framesPerSecond: 15, windows: 1)
        let image = VideoError.shorterThanWindow(path: "a/b.png", frames: 1, sampling: sampling)
        #expect(image.localizedDescription.contains("a/b.png is a single image"))
        let short = VideoError.shorterThanWindow(path: "a/b.mp4", frames: 1, sampling: sampling)
        #expect(short.localizedDescription.contains("1 frame at 15 per second"))
    }
}

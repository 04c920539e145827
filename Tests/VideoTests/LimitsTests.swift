import Foundation
import TestSupport
import Testing
@testable import Video

@Suite struct LimitsTests {
    let scratch = ScratchFolder()

    private func clip(_ frames: Int = 6) throws -> String {
        try scratch.file("clip.y4m", TinyClip.numbered(1, frames: frames))
    }

    @Test(
        "videos with too many or too large frames, or too long decoding, are errors that say what to do"
    )
    func limits() throws {
        let path = try clip()
        var limits = DecodingLimits()
        limits.frames = 6
        #expect(try VideoReader(path: path, limits: limits).information.frameCount == 6)
        limits.frames = 5
        #expect(throws: VideoError.beyondLimits(path: path, reason: "it has more than 5 frames")) {
            try VideoReader(path: path, limits: limits)
        }
        limits = DecodingLimits()
        limits.pixels = 24 * 16 - 1
        #expect(throws: VideoError.self) { try VideoReader(path: path, limits: limits) }
        limits = DecodingLimits()
        (limits.seconds, limits.secondsPerFrame) = (0, 0)
        let reader = try VideoReader(path: path, limits: limits)
        #expect(throws: VideoError.beyondLimits(path: path, reason: "decoding takes longer than 0 s")) {
            try reader.sample(.first(frames: 2), framing: .whole(width: 4, height: 4))
        }
    }

    @Test("a small file with many frames gets no more time than a small file needs") func timeForBytes() {
        let limits = DecodingLimits()
        // 2,000 frames of 8K in 400 kB, an hour of television, and two hours of a talk at 100 kbit/s.
        #expect(limits.secondsAllowed(frames: 2000, bytes: 400_000) == 640)
        #expect(limits.secondsAllowed(frames: 90_000, bytes: 2_000_000_000) == 90_600)
        #expect(limits.secondsAllowed(frames: 180_000, bytes: 90_000_000) == 9600)
        #expect(!limits.allows(width: 8000, height: 8000, frames: 2000, bytes: 400_000))
        #expect(limits.allows(width: 8000, height: 8000, frames: 1000, bytes: 400_000))
        #expect(limits.allows(width: 1920, height: 1080, frames: 90_000, bytes: 2_700_000))
        #expect(limits.allows(width: 3840, height: 2160, frames: 432_000, bytes: 2_000_000_000))
        #expect(!limits.allows(width: 8192, height: 8192, frames: .max, bytes: .max))
    }

    @Test("windows over frames years apart are rejected before allocation; other samplings use the existing frames")
    func years() throws {
        var data = TinyClip.numbered(1, frames: 4)
        let (header, slow) = ("YUV4MPEG2 W24 H16 F25:1 Ip A1:1 C444\n", "YUV4MPEG2 W24 H16 F1:30000000 Ip A1:1 C444\n")
        data.replaceSubrange(0..<header.utf8.count, with: Data(slow.utf8))
        let clip = try openClip(path: scratch.file("years.y4m", data))
        #expect(clip.information.frameTimes == [0, 30e6, 60e6, 90e6])
        let windows = WindowSampling(length: 16, stride: 8, framesPerSecond: 15, windows: Sampling.unlimited)
        #expect(
            refusal(of: VideoError.self) { try clip.sample(.windows(windows), framing: .full) }.contains(
                "span 90000000 s"))
        #expect(throws: VideoError.self) {
            try clip.forEachFrame(SampleRequest(.windows(windows), framing: .full)) { _ in }
        }
        #expect(throws: VideoError.self) { try clip.windows(SampleRequest(.windows(windows), framing: .full)) }
        var few = windows
        few.windows = 5
        #expect(try clip.sample(.windows(few), framing: .full).frames.map(\.index) == [0])
        #expect(
            try clip.sample(.rate(framesPerSecond: 15, frames: Sampling.unlimited), framing: .full).frames.count == 4)
        #expect(try clip.sample(.uniform(frames: 2), framing: .full).frames.map(\.index) == [1, 3])
    }

    @Test("a header that declares an image of gigabytes causes no allocation") func hugeImage() throws {
        let header = "YUV4MPEG2 W30000 H30000 F25:1 Ip A1:1 C420\nFRAME\n"
        let path = try scratch.file("huge.y4m", Data(header.utf8) + Data(count: 1000))
        #expect(throws: VideoError.self) { try VideoReader(path: path) }
        // A PNG whose header declares 60,000 × 60,000 pixels, without data.
        let tiny = RGBImage(width: 4, height: 4, pixels: [UInt8](repeating: 9, count: 48))
        var png = try tiny.encoded(as: .png)
        for (place, byte) in zip(16..<24, [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60] as [UInt8]) { png[place] = byte }
        let image = try scratch.file("huge.png", png)
        #expect(throws: VideoError.self) {
            try VideoReader(path: image).sample(.first(frames: 1), framing: .whole(width: 4, height: 4))
        }
    }

    @Test(
        "playlists and lists of other files are rejected under any name",
        arguments: ["list.m3u8", "list.mp4", "list.txt", "list.mpd", "list.sdp", "list.ffconcat"])
    func playlists(_ name: String) throws {
        let video = try clip()
        let texts = [
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n\(video)\n#EXT-X-ENDLIST\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '\(video)'\n", "ffconcat version 1.0\nfile clip.y4m\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
                + "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            """
            <?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" \
            profiles="urn:mpeg:dash:profile:isoff-main:2011" \
            type="static"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1">\
            <BaseURL>\(video)</BaseURL>\
            </Representation></AdaptationSet></Period></MPD>
            """,
        ]
        for text in texts {
            let path = try scratch.file(name, text)
            #expect(throws: VideoError.self) { try openClip(path: path) }
        }
    }

    @Test("URLs and protocols in a file name are part of the name") func protocols() {
        for name in [
            "http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "subfile,,start,0,end,9,,:a.mp4", "pipe:0", "file:a.mp4",
        ] { #expect(throws: VideoError.missing(path: name)) { try VideoReader(path: name) } }
    }

    @Test("an image whose name looks like a pattern is opened as that file") func pattern() throws {
        for (name, grey) in [("%d.png", UInt8(10)), ("1.png", 200), ("2.png", 100)] {
            let image = RGBImage(width: 4, height: 4, pixels: [UInt8](repeating: grey, count: 48))
            try image.write(to: scratch.path + "/" + name)
        }
        let frames = try VideoReader(path: scratch.path + "/%d.png").sample(
            .first(frames: 5), framing: .whole(width: 4, height: 4)
        ).frames
        #expect(frames.count == 1 && frames[0].pixels == [UInt8](repeating: 10, count: 48))
    }
}

import Foundation
import TestSupport
import Testing

@testable import Video

/// What is learned of a video's frames without decoding it.
@Suite struct FrameTableTests {
    private func table(_ path: String) throws -> FrameTable? {
        let file = try InputFile(path: path)
        return try FrameTable(PacketScan(file), file)
    }

    private func fixture(_ name: String) -> String {
        (Bundle.module.url(forResource: "Fixtures/matrix", withExtension: nil)?.path ?? "") + "/" + name
    }

    @Test(
        "videos whose packets are frames are not decoded to be listed",
        arguments: [
            "h264.mp4", "h264.mkv", "h264-open.mkv", "hevc.mp4", "vp9.webm", "mpeg2.mpg", "theora.mkv", "wmv2.wmv",
            "gif.gif", "copied.avi", "cut.mp4", "flv1.flv", "av1.mp4",
        ])
    func ordinary(name: String) throws { #expect(try table(fixture(name)) != nil) }

    @Test(
        "the sample clips are not decoded to be listed", .enabled(if: SampleClips.arePresent, "needs the sample clips"),
        arguments: SampleClips.files)
    func clips(name: String) throws { #expect(try table(SampleClips.folder + "/" + name) != nil) }

    @Test(
        "videos of hidden frames, fields, repeated or restarted times are",
        arguments: [
            "vp8.webm", "h264-fields.ts", "h264-fields.mp4", "times-of-decoding.mp4", "times-of-decoding.mkv",
            "twice-one-time.mp4",
            "joined.ts", "joined.mpg", "begins-inside.ts", "h264.h264",
        ])
    func odd(name: String) throws { #expect(try table(fixture(name)) == nil) }

    @Test("a clock that starts again is said as it is, and sampled as if it went on") func restarted() throws {
        let information = try VideoReader(path: fixture("joined.ts")).information
        let steps = zip(information.frameTimes, information.frameTimes.dropFirst()).filter { $0 > $1 }
        #expect(steps.count == 1)
        #expect(zip(information.clock, information.clock.dropFirst()).allSatisfy { abs($1 - $0 - 0.04) < 1e-6 })
        #expect(abs(information.frameRate - 25) < 0.01 && abs(information.duration - 2.4) < 0.01)
        let reader = try VideoReader(path: fixture("joined.ts"))
        #expect(try reader.sample(.uniform(frames: 4), framing: .full).frames.map(\.index) == [7, 22, 37, 52])
        let rate = try reader.sample(.rate(framesPerSecond: 5, frames: 100), framing: .full).frames
        #expect(rate.map(\.index) == Array(stride(from: 0, to: 60, by: 5)))
    }

    @Test("the clock of any times ascends, also beside absurd ones") func clock() {
        #expect(FrameTable.continued([0, 0.04, 0.08], nominal: 25) == [0, 0.04, 0.08])
        let joined = FrameTable.continued([1, 2, 3, 1, 2, 0.5], nominal: 25)
        #expect(joined == [1, 2, 3, 4, 5, 6])
        for times in [[0, 1, -6.9e16, -6.9e16, 5, 1e18, 3], [3, 2, 1], [0, 0, -1, -1]] {
            let clock = FrameTable.continued(times, nominal: 0)
            #expect(zip(clock, clock.dropFirst()).allSatisfy { $0 <= $1 } && clock.count == times.count)
        }
    }

    @Test("rates are those of the frames where the container counts fields, or empty chunks") func rates() throws {
        for (name, rate, duration) in [
            ("h264-fields.ts", 25.0, 0.4), ("copied.avi", 25, 1.2), ("h264-fields.avi", 25, 0.4),
            ("vp8.webm", 25, 1.2),
        ] {
            let information = try VideoReader(path: fixture(name)).information
            #expect(abs(information.frameRate - rate) < 0.01, "\(name)")
            #expect(abs(information.duration - duration) < 0.002, "\(name)")
        }
    }

    @Test("a stream without a keyframe is an error that says so") func noKeyframe() throws {
        let scratch = ScratchFolder()
        let stream = try Data(contentsOf: URL(fileURLWithPath: fixture("begins-inside.ts")))
        let path = try scratch.file("late.ts", stream.prefix(188 * 18))
        #expect(throws: VideoError.noKeyframe(path: path)) { try VideoReader(path: path) }
    }
}

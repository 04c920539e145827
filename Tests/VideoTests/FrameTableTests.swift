import Foundation
import TestSupport
import Testing
@testable import Video

/// The index of a video's frames, without decoding.
@Suite struct FrameTableTests {
    private func table(_ path: String) throws -> FrameTable? {
        let file = try InputFile(path: path)
        return try FrameTable(PacketScan(file), file)
    }

    private func fixture(_ name: String) -> String {
        (Bundle.module.url(forResource: "Fixtures/matrix", withExtension: nil)?.path ?? "") + "/" + name
    }

    @Test(
        "if each packet is a frame, a video is indexed without decoding",
        arguments: [
            "h264.mp4", "h264.mkv", "h264-open.mkv", "hevc.mp4", "vp9.webm", "mpeg2.mpg", "theora.mkv", "wmv2.wmv",
            "gif.gif", "copied.avi", "cut.mp4", "flv1.flv", "av1.mp4",
        ])
    func ordinary(name: String) throws { #expect(try table(fixture(name)) != nil) }

    @Test(
        "the sample clips are indexed without decoding", .enabled(if: SampleClips.arePresent, "needs the sample clips"),
        arguments: SampleClips.files)
    func clips(name: String) throws { #expect(try table(SampleClips.folder + "/" + name) != nil) }

    @Test(
        "videos with hidden frames, fields, or repeated or restarted timestamps are decoded for indexing",
        arguments: [
            "vp8.webm", "h264-fields.ts", "h264-fields.mp4", "times-of-decoding.mp4", "times-of-decoding.mkv",
            "twice-one-time.mp4",
            "joined.ts", "joined.mpg", "begins-inside.ts", "h264.h264",
        ])
    func odd(name: String) throws { #expect(try table(fixture(name)) == nil) }

    @Test("restarted timestamps are reported unchanged, and sampled as if they continued") func restarted() throws {
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

    @Test("the sampling clock increases for any timestamps, also absurd ones") func clock() {
        #expect(FrameTable.continued([0, 0.04, 0.08], nominal: 25) == [0, 0.04, 0.08])
        let joined = FrameTable.continued([1, 2, 3, 1, 2, 0.5], nominal: 25)
        #expect(joined == [1, 2, 3, 4, 5, 6])
        for times in [[0, 1, -6.9e16, -6.9e16, 5, 1e18, 3], [3, 2, 1], [0, 0, -1, -1]] {
            let clock = FrameTable.continued(times, nominal: 0)
            #expect(zip(clock, clock.dropFirst()).allSatisfy { $0 <= $1 } && clock.count == times.count)
        }
    }

    @Test("frame rates count frames, also if the container counts fields or empty chunks") func rates() throws {
        for (name, rate, duration) in [
            ("h264-fields.ts", 25.0, 0.4), ("copied.avi", 25, 1.2), ("h264-fields.avi", 25, 0.4), ("vp8.webm", 25, 1.2),
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

@Suite struct SamplingTests {
    static func times(_ count: Int, rate: Double = 25) -> [Double] { (0..<count).map { Double($0) / rate } }

    @Test("first samples the first frames, or all of a short clip") func first() {
        #expect(Sampling.first(frames: 3).indices(times: Self.times(10), seed: 0) == [0, 1, 2])
        #expect(Sampling.first(frames: 20).indices(times: Self.times(2), seed: 0) == [0, 1])
        #expect(Sampling.first(frames: 3).indices(times: [], seed: 0) == [])
    }

    @Test("uniform samples the middle frame of equal segments") func uniform() {
        #expect(Sampling.uniform(frames: 4).indices(times: Self.times(8), seed: 0) == [1, 3, 5, 7])
        #expect(Sampling.uniform(frames: 3).indices(times: Self.times(100), seed: 0) == [16, 50, 83])
        #expect(Sampling.uniform(frames: 20).indices(times: Self.times(7), seed: 0) == Array(0..<7))
    }

    @Test("uniform sampling repeats no frame and preserves their order", arguments: 1...60)
    func uniformIsStrictlyAscending(count: Int) {
        let indices = Sampling.uniform(frames: 20).indices(times: Self.times(count), seed: 0)
        #expect(indices.count == min(20, count))
        #expect(zip(indices, indices.dropFirst()).allSatisfy { $0 < $1 })
        #expect(indices.allSatisfy { $0 < count })
    }

    @Test("stride samples every n-th frame from its start") func stride() {
        let sampling = Sampling.stride(every: 10, start: .at(5), frames: 3)
        #expect(sampling.indices(times: Self.times(100), seed: 0) == [5, 15, 25])
        #expect(sampling.indices(times: Self.times(20), seed: 0) == [5, 15])
        #expect(sampling.indices(times: Self.times(3), seed: 0) == [2])
    }

    @Test("a random start is the same for the same seed and leaves room for all frames") func randomStart() {
        let sampling = Sampling.stride(every: 10, start: .random, frames: 5)
        let starts = (0..<50).map { sampling.indices(times: Self.times(60), seed: UInt64($0))[0] }
        #expect(Set(starts).count > 5)
        #expect(starts.allSatisfy { (0...19).contains($0) })
        #expect(starts == (0..<50).map { sampling.indices(times: Self.times(60), seed: UInt64($0))[0] })
        #expect(sampling.indices(times: Self.times(60), seed: 7).count == 5)
        #expect(sampling.indices(times: Self.times(15), seed: 7) == [0, 10])
    }

    @Test("rate samples the frame that is displayed at each tick of a slower clock") func rate() {
        let sampling = Sampling.rate(framesPerSecond: 5, frames: 100)
        #expect(sampling.indices(times: Self.times(25), seed: 0) == [0, 5, 10, 15, 20])
        #expect(Sampling.rate(framesPerSecond: 5, frames: 2).indices(times: Self.times(25), seed: 0) == [0, 5])
        // A faster clock than the clip's shows each frame once.
        #expect(Sampling.rate(framesPerSecond: 50, frames: 100).indices(times: Self.times(4), seed: 0) == [0, 1, 2, 3])
        // Uneven frames: at 0.4 s the frame of 0.1 s is still displayed, and is not sampled twice.
        #expect(
            Sampling.rate(framesPerSecond: 5, frames: 10).indices(times: [0, 0.1, 0.5, 0.6], seed: 0) == [0, 1, 3])
    }

    @Test(
        "jittered sampling keeps the number of frames and the spacing, stays inside the clip, and differs between seeds"
    )
    func jitter() {
        let times = (0..<100).map { Double($0) / 25 }
        let samplings: [Sampling] = [
            .first(frames: 10), .uniform(frames: 10), .stride(every: 5, start: .at(0), frames: 10),
            .rate(framesPerSecond: 5, frames: 10),
        ]
        for sampling in samplings {
            var starts: Set<[Int]> = []
            for seed in 0..<40 as Range<UInt64> {
                let indices = sampling.indices(times: times, seed: seed &* 0x9E37_79B9_7F4A_7C15, jitters: true)
                #expect(indices.count == 10 && indices == indices.sorted() && Set(indices).count == 10)
                #expect(indices.allSatisfy { (0..<100).contains($0) })
                starts.insert(indices)
            }
            #expect(starts.count > 10, "\(sampling)")
        }
        #expect(Sampling.uniform(frames: 8).indices(times: [0, 1, 2], seed: 5, jitters: true) == [0, 1, 2])
        #expect(Sampling.first(frames: 8).indices(times: [0, 1, 2], seed: 5, jitters: true) == [0, 1, 2])
        #expect(Sampling.rate(framesPerSecond: 9, frames: 8).indices(times: [0], seed: 5, jitters: true) == [0])
    }
}

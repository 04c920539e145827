import TestSupport
import Testing
@testable import Video

@Suite struct WindowSamplingTests {
    private func sampling(_ length: Int, _ stride: Int, rate: Double? = nil, windows: Int = 100) -> WindowSampling {
        WindowSampling(length: length, stride: stride, framesPerSecond: rate, windows: windows)
    }

    @Test("windows begin at every stride until the last frame is covered; the last window repeats it") func windows() {
        let times = SamplingTests.times(10)
        #expect(sampling(4, 3).windows(times: times) == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]])
        #expect(sampling(4, 4).windows(times: times) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]])
        #expect(sampling(4, 3, windows: 2).windows(times: times).count == 2)
        #expect(sampling(10, 1).windows(times: times) == [Array(0..<10)])
        #expect(sampling(3, 20).windows(times: times) == [[0, 1, 2], [9, 9, 9]])
    }

    @Test("every frame of every clip is in a window if windows leave no gaps", arguments: 2...40)
    func covers(count: Int) {
        for (length, stride) in [(4, 4), (5, 2), (8, 3)] where 2 * count >= length {
            let windows = sampling(length, stride).windows(times: SamplingTests.times(count))
            #expect(Set(windows.joined()) == Set(0..<count))
            #expect(windows.allSatisfy { $0.count == length && $0 == $0.sorted() })
            #expect(zip(windows, windows.dropFirst()).allSatisfy { $1[0] > $0[0] })
        }
    }

    @Test("a clip slightly shorter than a window is one window; one that would fill less than half is none")
    func short() {
        #expect(sampling(6, 3).windows(times: SamplingTests.times(3)) == [[0, 1, 2, 2, 2, 2]])
        #expect(sampling(6, 3).windows(times: SamplingTests.times(2)).isEmpty)
        #expect(sampling(2, 1).windows(times: SamplingTests.times(0)).isEmpty)
    }

    @Test("the sampling clock is uniform whatever the video's rate: frames are skipped or repeated") func clock() {
        // 25 frames per second, sampled 10 times per second.
        #expect(sampling(4, 4, rate: 10).windows(times: SamplingTests.times(12)) == [[0, 2, 5, 7], [10, 10, 10, 10]])
        #expect(Self.ticks(SamplingTests.times(3), rate: 50) == [0, 0, 1, 1, 2, 2])
        // In a video with a changing rate, the displayed frame.
        #expect(Self.ticks([0, 0.1, 0.2, 2.5, 3.1], rate: 1) == [0, 2, 2, 3])
    }

    private static func ticks(_ times: [Double], rate: Double) -> [Int] {
        let clock = TickClock(times, framesPerSecond: rate)
        return (0..<clock.ticks).map(clock.frame)
    }

    /// The clock's ticks in sequence.
    private static func walked(_ times: [Double], rate: Double) -> [Int] {
        let last = times[times.count - 1]
        let end = last + (times.count > 1 ? last - times[times.count - 2] : 0)
        var (result, index) = ([Int](), 0)
        while true {
            let wanted = times[0] + Double(result.count) / rate + 1e-6
            if wanted >= max(end, last + 2e-6) { return result }
            while index + 1 < times.count, times[index + 1] <= wanted { index += 1 }
            result.append(index)
        }
    }

    @Test("the clock gives the same ticks as stepping one by one, for any rate and any timestamps", arguments: 0..<60)
    func ticks(seed: Int) {
        var generator = SeededGenerator(seed: UInt64(seed))
        let ticks: [Double] = [0.04, 1001.0 / 30000, 1.0 / 90000, 0.001, 1.0 / 12800]
        for rate in [0.5, 1, 7, 12.5, 15, 24, 25, 29.97, 30, 60, 1000 / 3.0] {
            let tick = ticks[seed % ticks.count]
            var place = Int.random(in: 0...1000, using: &generator)
            let times = (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                place +=
                    seed % 3 == 0
                    ? Int((0.04 / tick).rounded()) : Int.random(in: 0...Int(0.2 / tick), using: &generator)
                return Double(place) * tick
            }
            let walked = Self.walked(times, rate: rate)
            #expect(Self.ticks(times, rate: rate) == walked)
            var once: [Int] = []
            for frame in walked.prefix(20) where once.last != frame { once.append(frame) }
            #expect(TickClock(times, framesPerSecond: rate).frames(ticks: 20) == once)
        }
    }

    @Test("gaps of years between two frames cost neither time nor memory") func years() {
        let times = [0, 31_536_000.0, 4e9]
        #expect(TickClock(times, framesPerSecond: 15).frames(ticks: .max) == [0, 1, 2])
        #expect(
            sampling(16, 8, rate: 15, windows: 3).windows(times: times)
                == [[Int]](repeating: [Int](repeating: 0, count: 16), count: 3))
        #expect(
            Sampling.rate(framesPerSecond: 100, frames: Sampling.unlimited).indices(times: times, seed: 0) == [0, 1])
    }

    @Test("augmented views start at random offsets such that all windows fit") func jitter() {
        let own = sampling(4, 2, windows: 2)
        let firsts = (0..<40).map { own.windows(times: SamplingTests.times(20), seed: $0, jitters: true)[0][0] }
        #expect(Set(firsts) == Set(0...14))
        for seed in 0..<40 {
            let windows = own.windows(times: SamplingTests.times(20), seed: UInt64(seed), jitters: true)
            #expect(windows.count == 2 && windows[1] == Array(windows[0][2]..<windows[0][2] + 4))
        }
    }

    @Test("a request gives each frame of its windows once, and parts divide the windows among them") func request() {
        var request = SampleRequest(.windows(sampling(4, 2)), framing: .full)
        let times = SamplingTests.times(10)
        #expect(request.indices(clock: times) == Array(0..<10))
        let all = request.windows(clock: times) ?? []
        let parts = (0..<3).flatMap { part -> [[Int]] in
            request.part = .init(index: part, count: 3)
            return request.windows(clock: times) ?? []
        }
        #expect(parts == all && all.count == 4)
        #expect(SampleRequest(.uniform(frames: 3), framing: .full).windows(clock: times) == nil)
    }

    // MARK: - frames that come in

    private func frame(_ index: Int) -> VideoFrame {
        VideoFrame(index: index, time: Double(index) / 25, width: 1, height: 1, pixels: [UInt8(index), 0, 0])
    }

    @Test("windows are complete as soon as their last frame arrives, and old frames are released") func assembles() {
        let windows = sampling(4, 2).windows(times: SamplingTests.times(9))
        var assembler = WindowAssembler(windows)
        var found: [FrameWindow] = []
        for index in 0..<9 {
            let done = assembler.add(frame(index))
            #expect(done.isEmpty == ![3, 5, 7, 8].contains(index))
            found += done
        }
        #expect(assembler.finish().isEmpty && assembler.isWhole)
        #expect(found.map { $0.frames.map(\.index) } == windows)
        #expect(found.map(\.middle.index) == [2, 4, 6, 8] && found.map(\.ends) == [0...3, 2...5, 4...7, 6...8])
    }

    @Test("a missing frame is replaced by the previous one, and that is reported") func missing() {
        var assembler = WindowAssembler([[0, 1, 2, 3], [2, 3, 4, 5]])
        let found = [0, 1, 3, 4].flatMap { assembler.add(frame($0)) } + assembler.finish()
        #expect(found.map { $0.frames.map(\.index) } == [[0, 1, 1, 3], [1, 3, 4, 4]])
        #expect(!assembler.isWhole)
        var nothing = WindowAssembler([[0, 1]])
        #expect(nothing.finish().isEmpty && !nothing.isWhole)
    }
}

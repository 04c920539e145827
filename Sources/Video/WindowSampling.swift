/// Windows of consecutive frames, for video encoders. The frames of a clip are sampled with an even clock: each tick
/// gives the displayed frame, so that a frame may be repeated if the clock is faster than the video. A window begins at
/// every `stride`-th tick until the last tick is covered; a window beyond the end repeats the last frame, as in
/// SlowFast and PyTorchVideo. So does the only window of a clip that is slightly too short; a window that would be less
/// than half full is omitted.
package struct WindowSampling: Sendable, Hashable {
    package var length: Int
    /// Ticks between the starts of consecutive windows.
    package var stride: Int
    /// Ticks per second; nil gives one tick per frame, whatever the frame rate.
    package var framesPerSecond: Double?
    /// Maximum windows per clip; the first ones are used.
    package var windows: Int

    /// Length, stride and windows must be at least 1.
    package init(length: Int, stride: Int, framesPerSecond: Double? = nil, windows: Int) {
        (self.length, self.stride, self.framesPerSecond, self.windows) = (length, stride, framesPerSecond, windows)
    }

    /// The frames of each window, ascending; none if the clip is shorter than half a window. `times`: of every frame of
    /// the clip in seconds, ascending. `seed`: determines the start of the first window if `jitters`: as late as all
    /// windows still fit.
    package func windows(times: [Double], seed: UInt64 = 0, jitters: Bool = false) -> [[Int]] {
        let clock = TickClock(times, framesPerSecond: framesPerSecond)
        guard isEnough(clock.ticks) else { return [] }
        let count = windowCount(ticks: clock.ticks)
        let needed = length + (count - 1) * stride
        let first = jitters && clock.ticks > needed ? Int(seed % UInt64(clock.ticks - needed + 1)) : 0
        return (0..<count).map { window in
            let begin = first + window * stride
            return (begin..<begin + length).map { clock.frame(at: min($0, clock.ticks - 1)) }
        }
    }

    /// Number of windows of a clip with `ticks` ticks.
    func windowCount(ticks: Int) -> Int { min(windows, (max(0, ticks - length) + stride - 1) / stride + 1) }

    /// Whether the ticks fill at least half a window.
    package func isEnough(_ ticks: Int) -> Bool { 2 * ticks >= length }

    package func ticks(_ times: [Double]) -> Int { TickClock(times, framesPerSecond: framesPerSecond).ticks }
}

/// An even clock over the frames of a clip. Ticks are computed, not stored: a year has hundreds of millions.
struct TickClock {
    /// Number of ticks, where the last frame has the duration of the one before.
    let ticks: Int
    private let times: [Double]
    private let framesPerSecond: Double?

    /// Maximum number of ticks: 10,000 years at 30 per second, so that sums do not overflow.
    private static let most = 1 << 43

    /// `times`: of every frame in seconds, ascending. `framesPerSecond`: nil gives one tick per frame.
    init(_ times: [Double], framesPerSecond: Double?) {
        (self.times, self.framesPerSecond) = (times, framesPerSecond)
        guard let framesPerSecond, let start = times.first, let last = times.last else {
            ticks = times.count
            return
        }
        let end = max(last + (times.count > 1 ? last - times[times.count - 2] : 0), last + 2e-6)
        // The first tick at or after the end, searched near its estimate, since times are rounded.
        let near = max(0, min((end - start) * framesPerSecond, Double(Self.most)))
        var tick = max(0, Int(near) - 2)
        while tick < Self.most, Self.time(of: tick, from: start, framesPerSecond) < end { tick += 1 }
        ticks = tick
    }

    /// With a small tolerance: 0.1 s must match the frame with time 0.0999999.
    private static func time(of tick: Int, from start: Double, _ framesPerSecond: Double) -> Double {
        start + Double(tick) / framesPerSecond + 1e-6
    }

    /// The frame displayed at a tick: the last one that began before it.
    func frame(at tick: Int) -> Int {
        guard let framesPerSecond, let start = times.first else { return tick }
        let wanted = Self.time(of: tick, from: start, framesPerSecond)
        return max(0, times.partitioningIndex { $0 > wanted } - 1)
    }

    /// The frames displayed at the first `limit` ticks, each once.
    func frames(ticks limit: Int) -> [Int] {
        var (result, tick) = ([Int](), 0)
        while tick < min(ticks, limit) {
            let index = frame(at: tick)
            result.append(index)
            guard index + 1 < times.count else { break }
            tick = self.tick(showing: index + 1, after: tick)
        }
        return result
    }

    /// The first tick after `tick` at which the frame, or a later one, is displayed.
    private func tick(showing frame: Int, after tick: Int) -> Int {
        guard let framesPerSecond, let start = times.first else { return tick + 1 }
        let near = min((times[frame] - start) * framesPerSecond, Double(Self.most))
        var next = max(tick + 1, Int(near) - 2)
        while next < ticks, Self.time(of: next, from: start, framesPerSecond) < times[frame] { next += 1 }
        return next
    }
}

package struct FrameWindow: Sendable {
    /// As many as the window is long; frames may be repeated.
    package let frames: [VideoFrame]

    /// The frame that represents the window.
    package var middle: VideoFrame { frames[frames.count / 2] }
    /// Indices of the first and the last frame in the clip.
    package var ends: ClosedRange<Int> { frames[0].index...frames[frames.count - 1].index }
}

/// Assembles windows from a stream of frames and releases frames that no later window needs: overlapping windows share
/// frames, and memory does not depend on the clip's length.
package struct WindowAssembler {
    private let windows: [[Int]]
    private var next = 0, recent: [VideoFrame] = []
    /// Whether no frame has been missing so far.
    package private(set) var isWhole = true

    /// - Parameter windows: frames of each; first and last frames ascending.
    package init(_ windows: [[Int]]) { self.windows = windows }

    /// Adds a frame; frames must be in ascending order. Returns the windows that this frame completes.
    package mutating func add(_ frame: VideoFrame) -> [FrameWindow] {
        recent.append(frame)
        var done: [FrameWindow] = []
        while next < windows.count, let last = windows[next].last, last <= frame.index {
            done += take(windows[next])
            next += 1
        }
        let oldest = next < windows.count ? windows[next].first ?? 0 : Int.max
        // The previous frame is kept, to replace a missing first one.
        if let keep = recent.lastIndex(where: { $0.index <= oldest }), keep > 0 { recent.removeFirst(keep) }
        return done
    }

    /// Completes the windows whose last frames are missing, from the frames received.
    package mutating func finish() -> [FrameWindow] {
        defer { next = windows.count }
        return windows[next...].flatMap { take($0) }
    }

    private mutating func take(_ window: [Int]) -> [FrameWindow] {
        var frames: [VideoFrame] = [], place = 0
        for index in window {
            while place + 1 < recent.count, recent[place + 1].index <= index { place += 1 }
            guard place < recent.count else {
                isWhole = false
                return []
            }
            if recent[place].index != index { isWhole = false }
            frames.append(recent[place])
        }
        return [FrameWindow(frames: frames)]
    }
}

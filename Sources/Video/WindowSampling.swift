/// Windows of neighbouring frames, for networks that see several at once.
///
/// The frames of a clip are read off an even clock: at each tick the one on show, so that a frame may come twice where the
/// clock is faster than the video. A window begins at every `stride`-th tick, until the last tick is seen; the window
/// that reaches beyond the end repeats the last frame, as SlowFast and PyTorchVideo do. So does the only one of a clip that
/// is a little shorter; one that would not be half full is none.
public struct WindowSampling: Sendable, Hashable {
    /// Frames of a window.
    public var length: Int
    /// Ticks from the beginning of one window to that of the next.
    public var stride: Int
    /// Ticks a second; nil ticks once a frame, whatever the video's rate.
    public var framesPerSecond: Double?
    /// The most windows of a clip: the first so many.
    public var windows: Int

    /// All parts, as they are; length, stride and windows at least 1.
    public init(length: Int, stride: Int, framesPerSecond: Double? = nil, windows: Int) {
        self.length = length
        self.stride = stride
        self.framesPerSecond = framesPerSecond
        self.windows = windows
    }

    /// The frames of each window, ascending; none if the clip is shorter than half of one.
    ///
    /// - `times`: of every frame of the clip in seconds, ascending.
    /// - `seed`: decides where the first window begins if `jitters`: as late as all still fit.
    public func windows(times: [Double], seed: UInt64 = 0, jitters: Bool = false) -> [[Int]] {
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

    /// How many windows a clip of so many ticks has.
    func windowCount(ticks: Int) -> Int { min(windows, (max(0, ticks - length) + stride - 1) / stride + 1) }

    /// Whether so many ticks fill half a window.
    public func isEnough(_ ticks: Int) -> Bool { 2 * ticks >= length }

    /// Ticks of a clip.
    public func ticks(_ times: [Double]) -> Int { TickClock(times, framesPerSecond: framesPerSecond).ticks }
}

/// An even clock over the frames of a clip. Takes no memory for its ticks, of which a year has hundreds of millions.
struct TickClock {
    /// How often it ticks until the last frame has been on show as long as the one before it.
    let ticks: Int
    private let times: [Double]
    private let framesPerSecond: Double?

    /// Ticks that are counted at most: 10,000 years at 30 a second, so that sums of them do not overflow.
    private static let most = 1 << 43

    /// - Parameters:
    ///   - times: of every frame in seconds, ascending.
    ///   - framesPerSecond: nil ticks once a frame.
    init(_ times: [Double], framesPerSecond: Double?) {
        (self.times, self.framesPerSecond) = (times, framesPerSecond)
        guard let framesPerSecond, let start = times.first, let last = times.last else {
            ticks = times.count
            return
        }
        let end = max(last + (times.count > 1 ? last - times[times.count - 2] : 0), last + 2e-6)
        // The first tick at or after the end, found from near it, since times are rounded.
        let near = max(0, min((end - start) * framesPerSecond, Double(Self.most)))
        var tick = max(0, Int(near) - 2)
        while tick < Self.most, Self.time(of: tick, from: start, framesPerSecond) < end { tick += 1 }
        ticks = tick
    }

    /// A hair of tolerance: 0.1 s must find the frame stamped 0.0999999.
    private static func time(of tick: Int, from start: Double, _ framesPerSecond: Double) -> Double {
        start + Double(tick) / framesPerSecond + 1e-6
    }

    /// The frame on show at a tick: the last one that began before it.
    func frame(at tick: Int) -> Int {
        guard let framesPerSecond, let start = times.first else { return tick }
        let wanted = Self.time(of: tick, from: start, framesPerSecond)
        var (low, high) = (0, times.count)
        while low < high {
            let middle = (low + high) / 2
            if times[middle] <= wanted { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    /// Frames on show at the first `ticks` ticks, each once.
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

    /// The first tick after another at which a frame, or a later one, is on show.
    private func tick(showing frame: Int, after tick: Int) -> Int {
        guard let framesPerSecond, let start = times.first else { return tick + 1 }
        let near = min((times[frame] - start) * framesPerSecond, Double(Self.most))
        var next = max(tick + 1, Int(near) - 2)
        while next < ticks, Self.time(of: next, from: start, framesPerSecond) < times[frame] { next += 1 }
        return next
    }
}

/// One window with its pictures.
public struct FrameWindow: Sendable {
    /// As many as a window is long; a frame may stand there several times.
    public let frames: [VideoFrame]

    /// What stands for the window where one frame must.
    public var middle: VideoFrame { frames[frames.count / 2] }
    /// Places of the first and the last frame in the clip.
    public var ends: ClosedRange<Int> { frames[0].index...frames[frames.count - 1].index }
}

/// Puts windows together while frames come in, and forgets frames that no window wants any more: overlapping windows
/// share theirs, and a long clip takes no more memory than a short one.
public struct WindowAssembler {
    private let windows: [[Int]]
    private var next = 0
    private var recent: [VideoFrame] = []
    /// Whether no frame was missing so far.
    public private(set) var isWhole = true

    /// - Parameter windows: frames of each; beginnings and ends ascending.
    public init(_ windows: [[Int]]) { self.windows = windows }

    /// Frames come in ascending order.
    ///
    /// - Returns: the windows that this frame completes.
    public mutating func add(_ frame: VideoFrame) -> [FrameWindow] {
        recent.append(frame)
        var done: [FrameWindow] = []
        while next < windows.count, let last = windows[next].last, last <= frame.index {
            done += take(windows[next])
            next += 1
        }
        let oldest = next < windows.count ? windows[next].first ?? 0 : Int.max
        // One frame before it stands in where the first is missing.
        if let keep = recent.lastIndex(where: { $0.index <= oldest }), keep > 0 { recent.removeFirst(keep) }
        return done
    }

    /// The windows whose last frames never came, from what did.
    public mutating func finish() -> [FrameWindow] {
        defer { next = windows.count }
        return windows[next...].flatMap { take($0) }
    }

    private mutating func take(_ window: [Int]) -> [FrameWindow] {
        var frames: [VideoFrame] = []
        var place = 0
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

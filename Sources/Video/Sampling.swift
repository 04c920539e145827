/// Which frames of a clip are looked at. Decided from the table of frames, before anything is decoded.
public enum Sampling: Sendable, Hashable {
    /// The first `frames` frames.
    case first(frames: Int)
    /// Every `every`-th frame from `start` on, at most `frames` of them.
    case stride(every: Int, start: Start, frames: Int)
    /// `frames` frames spread evenly: the middle one of each of `frames` equal parts.
    case uniform(frames: Int)
    /// `framesPerSecond` frames a second from the first frame on, at most `frames` of them.
    case rate(framesPerSecond: Double, frames: Int)

    /// Windows of neighbouring frames, for networks that see several at once.
    case windows(WindowSampling)

    /// Where a stride begins.
    public enum Start: Sendable, Hashable {
        case at(Int)
        /// Drawn for each video from its own seed, so that all `frames` fit where the clip is long enough.
        case random
    }

    /// As many frames as there are.
    public static let unlimited = 1 << 32

    /// The longest sequence this gives: frames, or windows.
    public var frames: Int {
        switch self {
        case .windows(let windows): windows.windows
        case .first(let frames), .stride(_, _, let frames), .uniform(let frames), .rate(_, let frames): frames
        }
    }

    /// What a row of features is of: `frames`, or `windows`.
    public var unit: String { windowed == nil ? "frames" : "windows" }

    /// The windows, where that is the policy.
    public var windowed: WindowSampling? {
        if case .windows(let windows) = self { return windows }
        return nil
    }

    /// Indices of the sampled frames, ascending, of windows each once; fewer than `frames` where the clip is shorter.
    ///
    /// - Parameters:
    ///   - times: of every frame of the clip in seconds, ascending.
    ///   - seed: evenly spread bits, such as a part of the video's digest; decides `start: random`.
    ///   - jitters: whether every policy begins at random: a stride anywhere, each of the equal parts at any of
    ///     its frames, the others as late as all frames still fit.
    public func indices(times: [Double], seed: UInt64, jitters: Bool = false) -> [Int] {
        let count = times.count
        guard count > 0 else { return [] }
        if let windowed {
            return Set(windowed.windows(times: times, seed: seed, jitters: jitters).joined()).sorted()
        }
        if jitters { return jittered(times: times, seed: seed) }
        switch self {
        case .first(let frames):
            return Array(0..<min(frames, count))
        case .stride(let every, let start, let frames):
            let last = max(0, count - 1 - (frames - 1) * every)
            let first: Int
            switch start {
            case .at(let index): first = min(index, count - 1)
            case .random: first = Int(seed % UInt64(last + 1))
            }
            return Array(Swift.stride(from: first, to: count, by: every).prefix(frames))
        case .uniform(let frames):
            guard count > frames else { return Array(0..<count) }
            return (0..<frames).map { (2 * $0 + 1) * count / (2 * frames) }
        case .rate(let framesPerSecond, let frames):
            return Self.indices(times: times, framesPerSecond: framesPerSecond, frames: frames)
        case .windows: return []
        }
    }

    private func jittered(times: [Double], seed: UInt64) -> [Int] {
        let count = times.count
        switch self {
        case .first(let frames):
            let first = Int(seed % UInt64(max(1, count - frames + 1)))
            return Array(first..<min(first + frames, count))
        case .stride(let every, _, let frames):
            return Sampling.stride(every: every, start: .random, frames: frames).indices(times: times, seed: seed)
        case .uniform(let frames):
            guard count > frames else { return Array(0..<count) }
            return (0..<frames).map { part in
                let range = part * count / frames..<(part + 1) * count / frames
                // Another few of the seed's bits for each part.
                let bits = (seed &+ UInt64(part) &* 0x9E37_79B9_7F4A_7C15) &* 0xBF58_476D_1CE4_E5B9
                return range.lowerBound + Int((bits >> 32) % UInt64(range.count))
            }
        case .rate(let framesPerSecond, let frames):
            let needed = Double(frames - 1) / framesPerSecond
            let latest = times.lastIndex { $0 + needed <= times[count - 1] } ?? 0
            let first = Int(seed % UInt64(latest + 1))
            return Self.indices(times: Array(times[first...]), framesPerSecond: framesPerSecond, frames: frames)
                .map { $0 + first }
        case .windows: return []
        }
    }

    /// For each tick of the slower clock, the frame on show at that moment; each frame at most once.
    private static func indices(times: [Double], framesPerSecond: Double, frames: Int) -> [Int] {
        TickClock(times, framesPerSecond: framesPerSecond).frames(ticks: frames)
    }
}

import Files

/// Which frames of a clip are sampled. Determined from the frame table before decoding.
package enum Sampling: Sendable, Hashable {
    /// The first `frames` frames.
    case first(frames: Int)
    /// Every `every`-th frame from `start`, at most `frames` of them.
    case stride(every: Int, start: Start, frames: Int)
    /// `frames` evenly spaced frames: the middle one of each of `frames` equal parts.
    case uniform(frames: Int)
    /// `framesPerSecond` frames per second from the first frame, at most `frames` of them.
    case rate(framesPerSecond: Double, frames: Int)

    /// Windows of consecutive frames, for video encoders.
    case windows(WindowSampling)

    package enum Start: Sendable, Hashable {
        case at(Int)
        /// Seeded by each video, such that all `frames` fit if the clip is long enough.
        case random
    }

    /// No limit on the number of frames.
    package static let unlimited = 1 << 32

    /// Maximum length of the sequence, in frames or windows.
    package var frames: Int {
        switch self {
        case .windows(let windows): windows.windows
        case .first(let frames), .stride(_, _, let frames), .uniform(let frames), .rate(_, let frames): frames
        }
    }

    /// The unit of a row of features: `frames`, or `windows`.
    package var unit: String { windowed == nil ? "frames" : "windows" }

    package var windowed: WindowSampling? {
        if case .windows(let windows) = self { return windows }
        return nil
    }

    /// Indices of the sampled frames, ascending; for windows each frame once. Fewer than `frames` if the clip is
    /// shorter. `times`: of every frame of the clip in seconds, ascending. `seed`: uniformly distributed bits, such as
    /// a part of the video's digest, for `start: random`. `jitters`: whether every policy starts at a random offset: a
    /// stride anywhere, each of the equal parts at any of its frames, the others as late as all frames still fit.
    package func indices(times: [Double], seed: UInt64, jitters: Bool = false) -> [Int] {
        let count = times.count
        guard count > 0 else { return [] }
        if let windowed { return Set(windowed.windows(times: times, seed: seed, jitters: jitters).joined()).sorted() }
        if jitters { return jittered(times: times, seed: seed) }
        switch self {
        case .first(let frames): return Array(0..<min(frames, count))
        case .stride(let every, let start, let frames):
            let last = max(0, count - 1 - (frames - 1) * every)
            let first: Int
            switch start {
            case .at(let index): first = min(index, count - 1)
            case .random: first = Int(seed % UInt64(last + 1))
            }
            return Array(Swift.stride(from: first, to: count, by: every).prefix(frames))
        case .uniform(let frames): return (0..<count).spread(frames)
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
                // Hashes the seed for each part.
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

    /// For each tick of the slower clock, the frame displayed at that time; each frame at most once.
    private static func indices(times: [Double], framesPerSecond: Double, frames: Int) -> [Int] {
        TickClock(times, framesPerSecond: framesPerSecond).frames(ticks: frames)
    }
}

extension Sampling {
    package enum Ranges {
        /// Number of frames or windows per clip.
        package static let frames = 1...10_000
        /// Frames or ticks between samples: `every` and `stride`.
        package static let stride = 1...1_000_000
        /// The first frame of a stride.
        package static let start = 0...Int.max
        package static let length = 2...1024
        package static let framesPerSecond = NumberRange.positive(atMost: 1000)
    }

    /// `key`: prefix of the key in error messages. Throws `InvalidValue` if a value is outside its valid range.
    package func validate(_ key: String) throws(InvalidValue) {
        switch self {
        case .first, .uniform: break
        case .rate(let framesPerSecond, _):
            try InvalidValue.check(framesPerSecond, key + ".frames_per_second", in: Ranges.framesPerSecond)
        case .stride(let every, let start, _):
            try InvalidValue.check(every, key + ".every", in: Ranges.stride)
            if case .at(let index) = start { try InvalidValue.check(index, key + ".start", in: Ranges.start) }
        case .windows(let windows):
            try InvalidValue.check(windows.length, key + ".length", in: Ranges.length)
            try InvalidValue.check(windows.stride, key + ".stride", in: Ranges.stride)
            try InvalidValue.check(windows.framesPerSecond, key + ".frames_per_second", in: Ranges.framesPerSecond)
        }
        try InvalidValue.check(frames, key + (windowed == nil ? ".frames" : ".windows"), in: Ranges.frames)
    }
}

extension RandomAccessCollection where Index == Int {
    /// The first index whose element has a property that all later elements have too, by binary search; `endIndex` if
    /// there is none.
    func partitioningIndex(where belongsInSecondPart: (Element) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = (low + high) / 2
            if belongsInSecondPart(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The middle element of each of `parts` equal parts; all elements if there are no more.
    package func spread(_ parts: Int) -> [Element] {
        count <= parts ? Array(self) : (0..<parts).map { self[startIndex + (2 * $0 + 1) * count / (2 * parts)] }
    }
}

/// The frames to sample from a clip, and how to crop and resize them.
package struct SampleRequest: Sendable, Hashable {
    package var sampling: Sampling
    package var seed: UInt64
    package var framing: Framing

    package var aspect: Aspect

    /// Whether every policy starts at a random offset.
    package var jitters: Bool
    /// Which of several nearly equal parts of the frames to return, in order; all by default.
    package var part = Part()

    package struct Part: Sendable, Hashable {
        package var index = 0, count = 1

        package init(index: Int = 0, count: Int = 1) { (self.index, self.count) = (index, count) }
    }

    package init(
        _ sampling: Sampling, seed: UInt64 = 0, framing: Framing, jitters: Bool = false, aspect: Aspect = .stored
    ) {
        (self.aspect, self.sampling, self.seed, self.framing) = (aspect, sampling, seed, framing)
        self.jitters = jitters
    }

    /// Indices of the requested frames of a clip, given the ascending times of all its frames in seconds.
    func indices(clock: [Double]) -> [Int] {
        if let windows = windows(clock: clock) { return Set(windows.joined()).sorted() }
        return own(sampling.indices(times: clock, seed: seed, jitters: jitters))
    }

    /// The frames of each requested window; nil if the policy has none.
    func windows(clock: [Double]) -> [[Int]]? {
        sampling.windowed.map { own($0.windows(times: clock, seed: seed, jitters: jitters)) }
    }

    private func own<Item>(_ all: [Item]) -> [Item] {
        Array(all[all.count * part.index / part.count..<all.count * (part.index + 1) / part.count])
    }
}

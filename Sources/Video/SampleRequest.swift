/// Frames that are wanted of a clip, and how.
public struct SampleRequest: Sendable, Hashable {
    /// Which frames.
    public var sampling: Sampling
    /// Decides `start: random`.
    public var seed: UInt64
    /// What is cut out of them.
    public var framing: Framing

    /// Whether every policy begins at random.
    public var jitters: Bool
    /// Which of several nearly equal parts of the frames are wanted, in order; all by default.
    public var part = Part()

    /// One of several parts.
    public struct Part: Sendable, Hashable {
        /// From 0.
        public var index = 0
        /// At least 1.
        public var count = 1

        /// The first of one part: everything.
        public init(index: Int = 0, count: Int = 1) {
            self.index = index
            self.count = count
        }
    }

    /// Frames picked by `sampling`; `seed` decides what is random.
    public init(_ sampling: Sampling, seed: UInt64 = 0, framing: Framing, jitters: Bool = false) {
        self.sampling = sampling
        self.seed = seed
        self.framing = framing
        self.jitters = jitters
    }

    /// When the wanted frames are shown, given the times of all frames of a clip.
    public func times(_ all: [Double]) -> [Double] { indices(times: all).map { all[$0] } }

    /// Which frames of a clip.
    func indices(times: [Double]) -> [Int] {
        if let windows = windows(times: times) { return Set(windows.joined()).sorted() }
        return own(sampling.indices(times: times, seed: seed, jitters: jitters))
    }

    /// The frames of each wanted window, given the times of all frames; nil where the policy has none.
    public func windows(times: [Double]) -> [[Int]]? {
        sampling.windowed.map { own($0.windows(times: times, seed: seed, jitters: jitters)) }
    }

    private func own<Item>(_ all: [Item]) -> [Item] {
        Array(all[all.count * part.index / part.count..<all.count * (part.index + 1) / part.count])
    }
}

/// Frames that are wanted of a clip, and how.
public struct SampleRequest: Sendable, Hashable {
    /// Which frames.
    public var sampling: Sampling
    /// Decides `start: random`.
    public var seed: UInt64
    /// What is cut out of them.
    public var framing: Framing

    /// Whether non-square pixels are shown as such.
    public var aspect: Aspect

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
    public init(
        _ sampling: Sampling, seed: UInt64 = 0, framing: Framing, jitters: Bool = false, aspect: Aspect = .stored
    ) {
        self.aspect = aspect
        self.sampling = sampling
        self.seed = seed
        self.framing = framing
        self.jitters = jitters
    }

    /// Which frames of a clip, given the ascending times of all its frames in seconds.
    func indices(clock: [Double]) -> [Int] {
        if let windows = windows(clock: clock) { return Set(windows.joined()).sorted() }
        return own(sampling.indices(times: clock, seed: seed, jitters: jitters))
    }

    /// The frames of each wanted window; nil if the policy has none.
    func windows(clock: [Double]) -> [[Int]]? {
        sampling.windowed.map { own($0.windows(times: clock, seed: seed, jitters: jitters)) }
    }

    private func own<Item>(_ all: [Item]) -> [Item] {
        Array(all[all.count * part.index / part.count..<all.count * (part.index + 1) / part.count])
    }
}

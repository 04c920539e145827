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

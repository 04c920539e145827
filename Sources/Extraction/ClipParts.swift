import Video

/// How clips are shared between workers, and what came back.
///
/// With fewer clips than workers each is cut into parts, none smaller than what a network sees at once.
struct ClipParts {
    /// Parts of each clip.
    let count: Int
    private var finished: [Int: [Int: FeatureExtractor.Result]] = [:]
    private var broken: Set<Int> = []

    init(clips: Int, workers: Int, batches: Int) {
        count = clips == 0 ? 1 : max(1, min(batches, (workers + clips - 1) / clips))
    }

    /// The clip and the part that a piece of work stands for.
    static func place(_ index: Int, of count: Int) -> (clip: Int, part: SampleRequest.Part) {
        (index / count, SampleRequest.Part(index: index % count, count: count))
    }

    /// All parts of the clip in order, where this was the last one.
    mutating func finish(_ index: Int, _ result: FeatureExtractor.Result) -> [FeatureExtractor.Result]? {
        let (clip, part) = Self.place(index, of: count)
        finished[clip, default: [:]][part.index] = result
        guard finished[clip]?.count == count else { return nil }
        return finished.removeValue(forKey: clip)?.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Whether this is the first part of the clip that failed.
    mutating func fail(_ index: Int) -> Bool {
        let clip = Self.place(index, of: count).clip
        finished[clip] = nil
        return broken.insert(clip).inserted
    }
}

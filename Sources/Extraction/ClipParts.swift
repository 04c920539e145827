import Video

/// Divides clips between workers and collects the results.
///
/// With fewer clips than workers, each clip is split into parts, none smaller than one batch.
struct ClipParts {
    let count: Int
    private var finished: [Int: [Int: FeatureExtractor.Result]] = [:]
    private var broken: Set<Int> = []

    init(clips: Int, workers: Int, batches: Int) {
        count = clips == 0 ? 1 : max(1, min(batches, (workers + clips - 1) / clips))
    }

    static func place(_ index: Int, of count: Int) -> (clip: Int, part: SampleRequest.Part) {
        (index / count, SampleRequest.Part(index: index % count, count: count))
    }

    /// Stores a part's result. Returns all parts of the clip in order if this was the last one.
    mutating func finish(_ index: Int, _ result: FeatureExtractor.Result) -> [FeatureExtractor.Result]? {
        let (clip, part) = Self.place(index, of: count)
        finished[clip, default: [:]][part.index] = result
        guard finished[clip]?.count == count else { return nil }
        return finished.removeValue(forKey: clip)?.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Records a failure. Returns whether it is the clip's first.
    mutating func fail(_ index: Int) -> Bool {
        let clip = Self.place(index, of: count).clip
        finished[clip] = nil
        return broken.insert(clip).inserted
    }
}

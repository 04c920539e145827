import FeatureCache
import Foundation
import Threads
import Video

extension Extractor {
    /// Extracts and stores features; each worker handles one clip, or part of a clip, at a time.
    func work(_ jobs: [Job], _ networks: [DeviceNetwork]?, _ session: Session) throws {
        let (targets, isCancelled) = (session.targets, session.isCancelled)
        let root = dataset.root
        let frames = jobs.count * (targets.map(\.recipe.sampling.frames).max() ?? 1)
        // Frame differences need all frames of the clip in order.
        let isDivisible = !targets.contains {
            $0.recipe.input.isDifference == true && $0.recipe.sampling.windowed == nil
        }
        // A worker that waits for the GPU does not decode: two threads per core keep both busy.
        let workers = networks == nil ? workers : 2 * workers
        let batches =
            !isDivisible
            ? 1 : targets.map { ($0.recipe.sampling.frames + $0.recipe.batch - 1) / $0.recipe.batch }.min() ?? 1
        var parts = ClipParts(clips: jobs.count, workers: workers, batches: batches)
        let count = parts.count
        var (done, reported) = (0, 0)
        var warned: Set<String> = []
        try runJobs(count: jobs.count * count, workers: workers, most: Self.clipsTogether) {
            let extractor =
                try networks.map { FeatureExtractor(zip(targets.map(\.recipe), $0).map { ($0, $1) }) }
                ?? FeatureExtractor(
                    targets.map { ($0.recipe, $0.weights.packed) }, threads: 1, frames: frames, tuning: tuning)
            return { index in
                if isCancelled() { return Outcome.cancelled }
                let (clip, part) = ClipParts.place(index, of: count)
                let job = jobs[clip]
                do {
                    let path = root + "/" + job.clip.path
                    let result = try extractor.extract(
                        path: path, digest: job.content.digest, views: job.views, part: part, isCancelled: isCancelled)
                    // Features must belong to the bytes that were hashed.
                    if try FileStamp(path: path) != job.content.stamp { throw VideoError.changed(path: path) }
                    return .done(result)
                } catch is FeatureExtractor.Cancelled {
                    return .cancelled
                } catch let error as VideoError {
                    return .failed(error)
                }
            }
        } consume: { results in
            for warning in targets.compactMap({ $0.weights.warning(name: $0.record.weights) })
            where warned.insert(warning).inserted { session.report(.note(warning)) }
            var finished: [(job: Job, parts: [FeatureExtractor.Result])] = []
            for (index, outcome) in results {
                let job = jobs[index / count]
                switch outcome {
                case .done(let result): if let all = parts.finish(index, result) { finished.append((job, all)) }
                case .failed(let error):
                    guard parts.fail(index) else { break }
                    try fail(job, error, session)
                    done += 1
                case .cancelled: session.summary.wasCancelled = true
                }
            }
            try store(finished, session)
            done += finished.count
            if done == reported { return }
            reported = done
            let summary = session.summary
            session.report(.extracted(done: done, total: jobs.count, frames: summary.frames, unit: summary.unit))
        }
    }

    /// Maximum clips per transaction: each transaction waits for the disk, longer than a fast network takes per clip.
    private static let clipsTogether = 16

    private func store(_ finished: [(job: Job, parts: [FeatureExtractor.Result])], _ session: Session) throws {
        var clips: [[NewSequence]] = []
        for (job, parts) in finished {
            let video = VideoRecord(digest: job.content.digest, path: job.clip.path, details: parts[0].details)
            session.anamorphic.add(job.clip.path, parts[0].pixelAspect)
            let sequences = job.views.indices.map { view in SequenceRecord(joining: parts.map { $0.sequences[view] }) }
            if sequences.contains(where: { $0.length == 0 }) {
                try fail(job, .noFrames(path: job.clip.path), session)
                continue
            }
            clips.append(
                zip(job.views, sequences).map { view, sequence in
                    let (id, record) = (session.targets[view.recipe].id, session.targets[view.recipe].record)
                    return NewSequence(
                        sequence, video: video, extraction: id, maxFrames: record.maxFrames,
                        featureSize: record.featureSize, as: record.elementType)
                })
        }
        try session.cache.store(clips)
        for clip in clips {
            session.summary.extracted += 1
            session.summary.frames += clip.reduce(0) { $0 + $1.sequence.length }
            session.summary.decodeErrors += clip.first?.sequence.decodeErrors ?? 0
        }
    }

    private func fail(_ job: Job, _ error: VideoError, _ session: Session) throws {
        let failed = Set(job.views.map(\.recipe)).sorted().map { session.targets[$0].id }
        try fail(job.clip, error, failed, session)
    }

    private enum Outcome: Sendable {
        case done(FeatureExtractor.Result)
        case failed(VideoError)
        case cancelled
    }
}

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

/// Clips with non-square pixels that are sampled as stored, which `extract` reports.
struct AnamorphicClips {
    private var count = 0
    private var first: (path: String, pixelAspect: Double)?

    mutating func add(_ path: String, _ pixelAspect: Double) {
        guard pixelAspect != 1 else { return }
        count += 1
        first = first ?? (path, pixelAspect)
    }

    /// Nil if there are no such clips.
    var note: String? {
        guard let first else { return nil }
        let ratio = ((first.pixelAspect * 1000).rounded() / 1000).formatted()
        let subject =
            count == 1
            ? "1 clip has non-square pixels, \(first.path), whose pixels are \(ratio) times as wide as high; it was "
                + "sampled"
            : "\(count) clips have non-square pixels, such as \(first.path), whose pixels are \(ratio) times as wide "
                + "as high; they were sampled"
        return "\(subject) as stored. Write `extract.aspect: display` to sample frames with the display aspect ratio."
    }
}

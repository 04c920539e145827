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
                case .done(let result):
                    if let all = parts.finish(index, result) { finished.append((job, all)) }
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

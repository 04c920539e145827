import Datasets
import FeatureCache
import Foundation
import Synchronization
import Video

/// Stage 1: every clip of a dataset, once, into the cache.
public struct Extractor: Sendable {
    /// The pipeline's name, kept with a new recipe.
    public var name: String
    /// The clips.
    public var dataset: DatasetConfiguration
    /// What is done with them.
    public var configuration: ExtractionConfiguration
    /// Threads, each with its own plan and video.
    public var workers: Int
    /// Whether clips that failed before are tried again.
    public var retriesFailed = false
    /// Version of the program, kept with a new recipe.
    public var version: String

    /// An extraction of one dataset with one recipe.
    public init(
        name: String, dataset: DatasetConfiguration, configuration: ExtractionConfiguration, workers: Int,
        version: String
    ) {
        self.name = name
        self.dataset = dataset
        self.configuration = configuration
        self.workers = workers
        self.version = version
    }

    /// What is going on, for whoever shows it.
    public enum Event: Sendable {
        case hashing(done: Int, total: Int)
        /// The work that is left: `skipped` videos need nothing.
        case planned(remaining: Int, skipped: Int)
        case extracted(done: Int, total: Int, frames: Int)
        case failed(path: String, error: String)
        case note(String)
    }

    /// What was done, and what was not.
    public struct Summary: Sendable, Equatable {
        /// Videos extracted now, and frames in them.
        public var extracted = 0
        /// Frames in the videos extracted now.
        public var frames = 0
        /// Videos that had their features already.
        public var skipped = 0
        /// Clips that could not be used, now or before.
        public var failed = 0
        /// Damaged stretches skipped inside videos.
        public var decodeErrors = 0
        /// Whether it was stopped before the end.
        public var wasCancelled = false
        /// Seconds of extraction, without hashing and planning.
        public var seconds = 0.0
    }

    private struct Job: Sendable {
        let clip: Clip
        let digest: String
    }

    /// Extracts what is missing. What was stored stays stored, whatever happens.
    ///
    /// - Parameters:
    ///   - isCancelled: asked between videos and between batches of frames.
    ///   - report: called in the calling thread.
    /// - Throws: `DatasetError`, `WeightsError`, `CacheError`; a broken video is no error but a failure.
    public func run(
        into cache: CacheFile, isCancelled: @escaping @Sendable () -> Bool = { false }, report: (Event) -> Void
    ) throws -> Summary {
        let clips = try dataset.clips()
        let weights = try LoadedWeights(configuration.weights)
        let recipe = try ExtractionRecipe(configuration, weights)
        let graph = try recipe.graph()
        try weights.validate(for: graph.parameters(for: recipe.tap))
        let lock = try ExtractionLock(cache: cache.path)
        defer { withExtendedLifetime(lock) {} }
        let record = try self.record(recipe, weights, featureShape: graph.featureShape(of: recipe.tap))
        let extraction = try cache.addExtraction(record)

        var summary = Summary()
        let jobs = try plan(clips, extraction, cache, isCancelled, &summary, report)
        report(.planned(remaining: jobs.count, skipped: summary.skipped))
        let begin = ContinuousClock.now
        let root = dataset.root
        var done = 0
        try runJobs(count: jobs.count, workers: workers) {
            let extractor = try FeatureExtractor(recipe, weights: weights.packed, threads: 1)
            return { index in
                if isCancelled() { return Outcome.cancelled }
                do {
                    let path = root + "/" + jobs[index].clip.path
                    return .done(
                        try extractor.extract(path: path, digest: jobs[index].digest, isCancelled: isCancelled))
                } catch is FeatureExtractor.Cancelled {
                    return .cancelled
                } catch let error as VideoError {
                    return .failed(error)
                }
            }
        } consume: { index, outcome in
            let job = jobs[index]
            switch outcome {
            case .done(let result):
                let video = VideoRecord(digest: job.digest, path: job.clip.path, details: result.details)
                try cache.store(
                    result.sequence, video: video, extraction: extraction, maxFrames: record.maxFrames,
                    featureSize: record.featureSize)
                summary.extracted += 1
                summary.frames += result.sequence.length
                summary.decodeErrors += result.sequence.decodeErrors
            case .failed(let error):
                try fail(job.clip, error, extraction, cache, &summary, report)
            case .cancelled:
                summary.wasCancelled = true
                return
            }
            done += 1
            report(.extracted(done: done, total: jobs.count, frames: summary.frames))
        }
        summary.seconds = (ContinuousClock.now - begin) / .seconds(1)
        return summary
    }

    private enum Outcome: Sendable {
        case done(FeatureExtractor.Result)
        case failed(VideoError)
        case cancelled
    }

    private func record(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, featureShape: [Int]
    ) -> ExtractionRecord {
        ExtractionRecord(
            digest: recipe.digest, name: name, backbone: recipe.backbone, weights: configuration.weights.name,
            weightsDigest: weights.digest, tap: recipe.tap, imageSize: recipe.imageSize,
            maxFrames: recipe.sampling.frames, featureShape: featureShape,
            precision: recipe.precision, recipe: recipe.json, version: version)
    }

    /// Hashes the clips, notes them in the cache, and leaves what still needs work.
    private func plan(
        _ clips: [Clip], _ extraction: Int64, _ cache: CacheFile, _ isCancelled: @escaping @Sendable () -> Bool,
        _ summary: inout Summary, _ report: (Event) -> Void
    ) throws -> [Job] {
        let digests = try hash(clips, isCancelled, report)
        let known = try cache.extractedDigests(extraction: extraction)
        let failures = try cache.failures(extraction: extraction)
        var firstPath: [String: String] = [:]
        var samples: [(video: VideoRecord, sample: SampleRecord)] = []
        var jobs: [Job] = []
        for (clip, digest) in zip(clips, digests) {
            switch digest {
            case nil: summary.wasCancelled = true
            case .failure(let error)?: try fail(clip, error, extraction, cache, &summary, report)
            case .success(let digest)?:
                if let first = firstPath[digest] {
                    report(.note("\(clip.path) holds the same bytes as \(first) and is used once, as the latter."))
                    continue
                }
                firstPath[digest] = clip.path
                let sample = SampleRecord(
                    dataset: dataset.name, label: clip.label, split: clip.split.rawValue, group: clip.group)
                samples.append((VideoRecord(digest: digest, path: clip.path), sample))
                if known.contains(digest) {
                    summary.skipped += 1
                } else if let failed = failures[clip.path], !retriesFailed, !isNewer(clip, than: failed) {
                    report(.note("\(clip.path) failed before and is left out; --retry-failed tries it again."))
                    summary.failed += 1
                } else {
                    jobs.append(Job(clip: clip, digest: digest))
                }
            }
        }
        try cache.registerSamples(samples)
        return summary.wasCancelled ? [] : jobs
    }

    /// The digest of each clip; nil where the work was cancelled before.
    private func hash(
        _ clips: [Clip], _ isCancelled: @escaping @Sendable () -> Bool, _ report: (Event) -> Void
    ) throws -> [Result<String, VideoError>?] {
        var digests: [Result<String, VideoError>?] = Array(repeating: nil, count: clips.count)
        var done = 0
        let root = dataset.root
        try runJobs(count: clips.count, workers: workers) {
            { index in
                if isCancelled() { return nil }
                return Result { () throws(VideoError) in
                    do {
                        return try FileDigest.clip(path: root + "/" + clips[index].path)
                    } catch let error as VideoError {
                        throw error
                    } catch {
                        throw .unreadable(path: clips[index].path, reason: error.localizedDescription)
                    }
                }
            }
        } consume: { (index: Int, digest: Result<String, VideoError>?) in
            digests[index] = digest
            done += 1
            report(.hashing(done: done, total: clips.count))
        }
        return digests
    }

    private func fail(
        _ clip: Clip, _ error: VideoError, _ extraction: Int64, _ cache: CacheFile, _ summary: inout Summary,
        _ report: (Event) -> Void
    ) throws {
        try cache.recordFailure(path: clip.path, error: error.localizedDescription, extraction: extraction)
        summary.failed += 1
        report(.failed(path: clip.path, error: error.localizedDescription))
    }

    /// Whether the clip was changed after it failed: a file fetched again deserves another try.
    private func isNewer(_ clip: Clip, than date: Date) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: dataset.root + "/" + clip.path)
        return (attributes?[.modificationDate] as? Date).map { $0 > date } ?? false
    }
}

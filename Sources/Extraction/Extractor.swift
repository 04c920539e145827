import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Synchronization
import Video

/// Stage 1: every clip of a dataset, once, into the cache.
public struct Extractor: Sendable {
    /// The pipeline's name, kept with a new recipe; with the backbone's where there are several.
    public var name: String
    /// The clips.
    public var dataset: DatasetConfiguration
    /// What is done with them; each clip is decoded once for all.
    public var configurations: [ExtractionConfiguration]
    /// Threads, each with its own plan and video.
    public var workers: Int
    /// What computes features; where it is a GPU, the workers decode for it.
    public var device = InferenceDevice.cpu
    /// Frames that a GPU sees at once; nil for what suits the network.
    public var deviceBatch: Int?
    /// Whether clips that failed before are tried again.
    public var retriesFailed = false
    /// Version of the program, kept with a new recipe.
    public var version: String
    /// A part of the clips instead of all.
    public var sample: ClipSample?
    /// The part of the clips that is this machine's; nil for all.
    public var shard: Shard?
    /// Whether clips are read again that look as they did when they were read last.
    public var rehashes = false
    /// Digests of clips that need not be read to learn what they hold.
    public var knownDigests = DigestList()

    /// An extraction of one dataset.
    public init(
        name: String, dataset: DatasetConfiguration, configurations: [ExtractionConfiguration], workers: Int,
        version: String
    ) {
        self.name = name
        self.dataset = dataset
        self.configurations = configurations
        self.workers = workers
        self.version = version
    }

    /// What is going on, for whoever shows it.
    public enum Event: Sendable {
        case hashing(done: Int, total: Int)
        /// The work that is left: `skipped` videos need nothing.
        case planned(remaining: Int, skipped: Int)
        /// `unit` says what was counted, `frames` or `windows`.
        case extracted(done: Int, total: Int, frames: Int, unit: String)
        case failed(path: String, error: String)
        case note(String)
    }

    /// What was done, and what was not.
    public struct Summary: Sendable, Equatable {
        /// Videos extracted now.
        public var extracted = 0
        /// Frames, or windows of frames, that a network saw.
        public var frames = 0
        /// What they are: `frames`, unless all are `windows`.
        public var unit = "frames"
        /// Videos that had all their features already.
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

    struct Job: Sendable {
        let clip: Clip
        let content: HashedClip
        /// Whose features are missing.
        let views: [FeatureExtractor.View]
    }

    /// A recipe with its row in the cache.
    struct Target: Sendable {
        let recipe: ExtractionRecipe
        let weights: LoadedWeights
        let record: ExtractionRecord
        let id: Int64
        let views: Int
    }

    /// Extracts what is missing. What was stored stays stored, whatever happens.
    ///
    /// - `isCancelled`: asked between videos and between batches of frames.
    /// - `report`: called in the calling thread.
    /// - Throws: `DatasetError`, `WeightsError`, `CacheError`; a broken video is no error but a failure.
    public func run(
        into cache: CacheFile, isCancelled: @escaping @Sendable () -> Bool = { false }, report: (Event) -> Void
    ) throws -> Summary {
        let all = try dataset.clips()
        let clips = sample?.choose(from: all) ?? all
        let checked = try configurations.map { try check($0, report) }
        let lock = try ExtractionLock(cache: cache.path)
        defer { withExtendedLifetime(lock) {} }
        let targets = try zip(checked, configurations).map { checked, configuration in
            var (recipe, weights) = checked
            try calibrate(&recipe, weights, all, cache, report)
            let record = try record(recipe, weights, configuration)
            return Target(
                recipe: recipe, weights: weights, record: record, id: try cache.addExtraction(record),
                views: configuration.views)
        }
        for target in targets {
            let own = clips.count * target.views / (shard?.count ?? 1)
            try cache.requireRoom(forSequences: own, of: (target.id, target.record))
        }
        var summary = Summary()
        if configurations.allSatisfy({ $0.sampling.windowed != nil }) { summary.unit = "windows" }
        let jobs = try plan(clips, targets, cache, isCancelled, &summary, report)
        report(.planned(remaining: jobs.count, skipped: summary.skipped))
        if jobs.isEmpty { return summary }
        let networks = try deviceNetworks(targets, report)
        defer { networks?.forEach { $0.close() } }
        let begin = ContinuousClock.now
        try work(jobs, targets, networks, cache, isCancelled, &summary, report)
        summary.seconds = (ContinuousClock.now - begin) / .seconds(1)
        return summary
    }

    /// The recipes' networks on the GPU, which all workers share; nil where this processor computes.
    private func deviceNetworks(_ targets: [Target], _ report: (Event) -> Void) throws -> [DeviceNetwork]? {
        guard try device.isGPU() else { return nil }
        var networks: [DeviceNetwork] = []
        do {
            for target in targets {
                networks.append(try DeviceNetwork(target.recipe, target.weights.source, batch: deviceBatch))
                report(.note("\(target.recipe.backbone) is on the GPU, in batches of \(networks.last?.batch ?? 0)"))
            }
        } catch {
            networks.forEach { $0.close() }
            throw error
        }
        return networks
    }

    /// Extracts and stores, one clip or part of a clip a worker.
    private func work(
        _ jobs: [Job], _ targets: [Target], _ networks: [DeviceNetwork]?, _ cache: CacheFile,
        _ isCancelled: @escaping @Sendable () -> Bool, _ summary: inout Summary, _ report: (Event) -> Void
    ) throws {
        let root = dataset.root
        let frames = jobs.count * (targets.map(\.recipe.sampling.frames).max() ?? 1)
        // What differs from the frame before wants all frames.
        let isDivisible = !targets.contains {
            $0.recipe.input.isDifference == true && $0.recipe.sampling.windowed == nil
        }
        // Who waits for the GPU does not decode: two threads a core keep both busy.
        let workers = networks == nil ? workers : 2 * workers
        let batches =
            !isDivisible
            ? 1 : targets.map { ($0.recipe.sampling.frames + $0.recipe.batch - 1) / $0.recipe.batch }.min() ?? 1
        var parts = ClipParts(clips: jobs.count, workers: workers, batches: batches)
        let count = parts.count
        var done = 0
        var warned: Set<String> = []
        try runJobs(count: jobs.count * count, workers: workers) {
            let extractor =
                try networks.map { FeatureExtractor(zip(targets.map(\.recipe), $0).map { ($0, $1) }) }
                ?? FeatureExtractor(targets.map { ($0.recipe, $0.weights.packed) }, threads: 1, frames: frames)
            return { index in
                if isCancelled() { return Outcome.cancelled }
                let (clip, part) = ClipParts.place(index, of: count)
                let job = jobs[clip]
                do {
                    let path = root + "/" + job.clip.path
                    let result = try extractor.extract(
                        path: path, digest: job.content.digest, views: job.views, part: part, isCancelled: isCancelled)
                    // Features must be of the bytes that were hashed.
                    if try FileStamp(path: path) != job.content.stamp { throw VideoError.changed(path: path) }
                    return .done(result)
                } catch is FeatureExtractor.Cancelled {
                    return .cancelled
                } catch let error as VideoError {
                    return .failed(error)
                }
            }
        } consume: { index, outcome in
            for warning in targets.compactMap({ $0.weights.warning(name: $0.record.weights) })
            where warned.insert(warning).inserted { report(.note(warning)) }
            let job = jobs[index / count]
            switch outcome {
            case .done(let result):
                guard let all = parts.finish(index, result) else { return }
                try store(all, of: job, targets, cache, &summary, report)
            case .failed(let error):
                guard parts.fail(index) else { return }
                try fail(job, error, targets, cache, &summary, report)
            case .cancelled:
                summary.wasCancelled = true
                return
            }
            done += 1
            report(.extracted(done: done, total: jobs.count, frames: summary.frames, unit: summary.unit))
        }
    }

    /// Joins the parts of a clip and keeps them.
    private func store(
        _ parts: [FeatureExtractor.Result], of job: Job, _ targets: [Target], _ cache: CacheFile,
        _ summary: inout Summary, _ report: (Event) -> Void
    ) throws {
        let video = VideoRecord(digest: job.content.digest, path: job.clip.path, details: parts[0].details)
        let sequences = job.views.indices.map { view in SequenceRecord(joining: parts.map { $0.sequences[view] }) }
        if sequences.contains(where: { $0.length == 0 }) {
            return try fail(job, .noFrames(path: job.clip.path), targets, cache, &summary, report)
        }
        for (view, sequence) in zip(job.views, sequences) {
            let target = targets[view.recipe]
            try cache.store(
                sequence, video: video, extraction: target.id, maxFrames: target.record.maxFrames,
                featureSize: target.record.featureSize, as: target.record.elementType)
            summary.frames += sequence.length
        }
        summary.extracted += 1
        summary.decodeErrors += sequences.first?.decodeErrors ?? 0
    }

    private func fail(
        _ job: Job, _ error: VideoError, _ targets: [Target], _ cache: CacheFile, _ summary: inout Summary,
        _ report: (Event) -> Void
    ) throws {
        let failed = Set(job.views.map(\.recipe)).sorted().map { targets[$0].id }
        try fail(job.clip, error, failed, cache, &summary, report)
    }

    private enum Outcome: Sendable {
        case done(FeatureExtractor.Result)
        case failed(VideoError)
        case cancelled
    }
}

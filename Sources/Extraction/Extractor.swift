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
    /// Whether clips that failed before are tried again.
    public var retriesFailed = false
    /// Version of the program, kept with a new recipe.
    public var version: String
    /// A part of the clips instead of all.
    public var sample: ClipSample?

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
        /// Kernels are being measured, once on this machine; nothing else happens for some seconds.
        case measuring
        /// The work that is left: `skipped` videos need nothing.
        case planned(remaining: Int, skipped: Int)
        case extracted(done: Int, total: Int, frames: Int)
        case failed(path: String, error: String)
        case note(String)
    }

    /// What was done, and what was not.
    public struct Summary: Sendable, Equatable {
        /// Videos extracted now.
        public var extracted = 0
        /// Frames that a network saw.
        public var frames = 0
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

    private struct Job: Sendable {
        let clip: Clip
        let digest: String
        /// Whose features are missing.
        let views: [FeatureExtractor.View]
    }

    /// A recipe with its row in the cache.
    private struct Target: Sendable {
        let recipe: ExtractionRecipe
        let weights: LoadedWeights
        let record: ExtractionRecord
        let id: Int64
        let views: Int
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
        let all = try dataset.clips()
        let clips = sample?.choose(from: all) ?? all
        let checked = try configurations.map { try check($0, report) }
        let lock = try ExtractionLock(cache: cache.path)
        defer { withExtendedLifetime(lock) {} }
        let targets = try zip(checked, configurations).map { checked, configuration in
            var (recipe, weights) = checked
            try calibrate(&recipe, weights, clips, cache, report)
            let record = try record(recipe, weights, configuration)
            return Target(
                recipe: recipe, weights: weights, record: record, id: try cache.addExtraction(record),
                views: configuration.views)
        }
        var summary = Summary()
        let jobs = try plan(clips, targets, cache, isCancelled, &summary, report)
        report(.planned(remaining: jobs.count, skipped: summary.skipped))
        if !jobs.isEmpty, try targets.contains(where: { try $0.recipe.needsMeasuring }) {
            report(.measuring)
        }
        let begin = ContinuousClock.now
        try work(jobs, targets, cache, isCancelled, &summary, report)
        summary.seconds = (ContinuousClock.now - begin) / .seconds(1)
        return summary
    }

    /// Extracts and stores, one clip or part of a clip a worker.
    private func work(
        _ jobs: [Job], _ targets: [Target], _ cache: CacheFile, _ isCancelled: @escaping @Sendable () -> Bool,
        _ summary: inout Summary, _ report: (Event) -> Void
    ) throws {
        let root = dataset.root
        let batches = targets.map { ($0.recipe.sampling.frames + $0.recipe.batch - 1) / $0.recipe.batch }.min() ?? 1
        var parts = ClipParts(clips: jobs.count, workers: workers, batches: batches)
        let count = parts.count
        var done = 0
        var warned: Set<String> = []
        try runJobs(count: jobs.count * count, workers: workers) {
            let extractor = try FeatureExtractor(targets.map { ($0.recipe, $0.weights.packed) }, threads: 1)
            return { index in
                if isCancelled() { return Outcome.cancelled }
                let (clip, part) = ClipParts.place(index, of: count)
                let job = jobs[clip]
                do {
                    return .done(
                        try extractor.extract(
                            path: root + "/" + job.clip.path, digest: job.digest, views: job.views, part: part,
                            isCancelled: isCancelled))
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
            report(.extracted(done: done, total: jobs.count, frames: summary.frames))
        }
    }

    /// Joins the parts of a clip and keeps them.
    private func store(
        _ parts: [FeatureExtractor.Result], of job: Job, _ targets: [Target], _ cache: CacheFile,
        _ summary: inout Summary, _ report: (Event) -> Void
    ) throws {
        let video = VideoRecord(digest: job.digest, path: job.clip.path, details: parts[0].details)
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

    /// Loads weights and sees that they fit, before anything is written.
    private func check(
        _ configuration: ExtractionConfiguration, _ report: (Event) -> Void
    ) throws -> (ExtractionRecipe, LoadedWeights) {
        var configuration = configuration
        if !configuration.precision.isNative {
            report(
                .note(
                    "this processor (\(ArithmeticLibrary.instructionSet)) has no instructions for "
                        + "\(configuration.precision.rawValue); \(configuration.backbone.name) computes in f32"))
            configuration.precision = .f32
        }
        let weights = try LoadedWeights(configuration.weights)
        let recipe = try ExtractionRecipe(configuration, weights)
        try weights.validate(for: recipe.graph().parameters(for: recipe.tap))
        return (recipe, weights)
    }

    private func record(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, _ configuration: ExtractionConfiguration
    ) throws -> ExtractionRecord {
        ExtractionRecord(
            digest: recipe.digest, name: configurations.count == 1 ? name : "\(name)-\(recipe.backbone)",
            backbone: recipe.backbone, weights: configuration.weights.name,
            weightsDigest: weights.digest, tap: recipe.tap, imageSize: recipe.imageSize,
            maxFrames: recipe.sampling.frames, featureShape: try recipe.graph().featureShape(of: recipe.tap),
            elementType: recipe.storedType, precision: recipe.precision.rawValue, recipe: recipe.json, version: version)
    }

    /// Hashes the clips, notes them in the cache, and leaves what still needs work.
    private func plan(
        _ clips: [Clip], _ targets: [Target], _ cache: CacheFile, _ isCancelled: @escaping @Sendable () -> Bool,
        _ summary: inout Summary, _ report: (Event) -> Void
    ) throws -> [Job] {
        let digests = try hash(clips, isCancelled, report)
        let known = try targets.map { try cache.extractedViews(extraction: $0.id) }
        let failures = try targets.map { try cache.failures(extraction: $0.id) }
        var firstPath: [String: String] = [:]
        var samples: [(video: VideoRecord, sample: SampleRecord)] = []
        var jobs: [Job] = []
        for (clip, digest) in zip(clips, digests) {
            switch digest {
            case nil: summary.wasCancelled = true
            case .failure(let error)?: try fail(clip, error, targets.map(\.id), cache, &summary, report)
            case .success(let digest)?:
                if let first = firstPath[digest] {
                    report(.note("\(clip.path) holds the same bytes as \(first) and is used once, as the latter."))
                    continue
                }
                firstPath[digest] = clip.path
                let sample = SampleRecord(
                    dataset: dataset.name, label: clip.label, split: clip.split.rawValue, group: clip.group)
                samples.append((VideoRecord(digest: digest, path: clip.path), sample))
                let missing = targets.indices.flatMap { place in
                    (0..<targets[place].views).filter { known[place][digest]?.contains($0) != true }
                        .map { FeatureExtractor.View(recipe: place, view: $0) }
                }
                let wanted = missing.filter { view in
                    retriesFailed || failures[view.recipe][clip.path].map { isNewer(clip, than: $0) } ?? true
                }
                if missing.isEmpty {
                    summary.skipped += 1
                } else if wanted.isEmpty {
                    report(.note("\(clip.path) failed before and is left out; --retry-failed tries it again."))
                    summary.failed += 1
                } else {
                    jobs.append(Job(clip: clip, digest: digest, views: wanted))
                }
            }
        }
        try cache.registerSamples(samples)
        return summary.wasCancelled ? [] : jobs
    }

    private func fail(
        _ clip: Clip, _ error: VideoError, _ extractions: [Int64], _ cache: CacheFile, _ summary: inout Summary,
        _ report: (Event) -> Void
    ) throws {
        for extraction in extractions {
            try cache.recordFailure(path: clip.path, error: error.localizedDescription, extraction: extraction)
        }
        summary.failed += 1
        report(.failed(path: clip.path, error: error.localizedDescription))
    }

    /// Whether the clip was changed after it failed: a file fetched again deserves another try.
    private func isNewer(_ clip: Clip, than date: Date) -> Bool {
        let attributes = try? FileManager.default.attributesOfItem(atPath: dataset.root + "/" + clip.path)
        return (attributes?[.modificationDate] as? Date).map { $0 > date } ?? false
    }
}

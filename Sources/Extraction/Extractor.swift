import Datasets
import FeatureCache
import Foundation
import Inference
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
    /// What is known of kernels; nil leaves them to the library, so that the last bit is always the same.
    public var tuning = KernelTuning.standard
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

    /// One run: where it works, whom it tells, and what it has done. Used by the calling thread alone.
    final class Session {
        let cache: CacheFile
        let isCancelled: @Sendable () -> Bool
        let report: (Event) -> Void
        var targets: [Target] = []
        /// Clips with non-square pixels.
        var anamorphic = AnamorphicClips()
        var summary = Summary()

        init(cache: CacheFile, isCancelled: @escaping @Sendable () -> Bool, report: @escaping (Event) -> Void) {
            (self.cache, self.isCancelled, self.report) = (cache, isCancelled, report)
        }
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
        try withoutActuallyEscaping(report) { report in
            let session = Session(cache: cache, isCancelled: isCancelled, report: report)
            try run(session)
            return session.summary
        }
    }

    private func run(_ session: Session) throws {
        let listing = try dataset.listing()
        let all = listing.clips
        // Trials with a part of the clips come before or instead of the extraction that says it.
        if sample == nil, let summary = listing.summary {
            session.report(
                .note("\(summary). `zoetrope dataset PIPELINE` lists \(listing.leftOut.count == 1 ? "it" : "them")."))
        }
        if sample == nil { for note in listing.notes { session.report(.note(note)) } }
        let clips = sample?.choose(from: all) ?? all
        let checked = try configurations.map { try check($0, session.report) }
        let lock = try ExtractionLock(cache: session.cache.path)
        defer { withExtendedLifetime(lock) {} }
        session.targets = try zip(checked, configurations).map { checked, configuration in
            var (recipe, weights) = checked
            try calibrate(&recipe, weights, all, session)
            let record = try record(recipe, weights, configuration)
            return Target(
                recipe: recipe, weights: weights, record: record, id: try session.cache.addExtraction(record),
                views: configuration.views)
        }
        for target in session.targets {
            let own = clips.count * target.views / (shard?.count ?? 1)
            try session.cache.requireRoom(forSequences: own, of: (target.id, target.record))
        }
        if configurations.allSatisfy({ $0.sampling.windowed != nil }) { session.summary.unit = "windows" }
        let jobs = try plan(clips, session)
        session.report(.planned(remaining: jobs.count, skipped: session.summary.skipped))
        if jobs.isEmpty { return }
        let networks = try deviceNetworks(session)
        defer { networks?.forEach { $0.close() } }
        let begin = ContinuousClock.now
        try work(jobs, networks, session)
        if session.targets.contains(where: { $0.recipe.preprocessing.aspect == .stored }),
            let note = session.anamorphic.note
        {
            session.report(.note(note))
        }
        session.summary.seconds = (ContinuousClock.now - begin) / .seconds(1)
    }

    /// The recipes' networks on the GPU, which all workers share; nil where this processor computes.
    private func deviceNetworks(_ session: Session) throws -> [DeviceNetwork]? {
        guard try device.isGPU() else { return nil }
        var networks: [DeviceNetwork] = []
        do {
            for target in session.targets {
                if target.recipe.precision == .f16 {
                    session.report(
                        .note(
                            "\(target.recipe.backbone) goes to the GPU; the first time on a machine its kernels are compiled, "
                                + "which takes up to half a minute"))
                }
                networks.append(try DeviceNetwork(target.recipe, target.weights.source, batch: deviceBatch))
                session.report(
                    .note("\(target.recipe.backbone) is on the GPU, in batches of \(networks.last?.batch ?? 0)"))
            }
        } catch {
            networks.forEach { $0.close() }
            throw error
        }
        return networks
    }
}

import Datasets
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import Video

/// Extracts features of every clip of a data set into the cache, once.
package struct Extractor: Sendable {
    /// The pipeline's name, stored with a new recipe; followed by the backbone's if there are several.
    package var name: String
    package var dataset: DatasetConfiguration
    /// What to extract; each clip is decoded once for all configurations.
    package var configurations: [ExtractionConfiguration]
    /// Number of threads, each with its own plan and decoder.
    package var workers: Int
    /// Where features are computed; for a GPU, the workers decode.
    package var device = InferenceDevice.cpu
    /// GPU batch size; nil derives it from the network.
    package var deviceBatch: Int?
    /// The tuning cache; nil leaves kernels to oneDNN, so that results are reproducible bit for bit.
    package var tuning = KernelTuning.standard
    /// Whether clips that failed before are tried again.
    package var retriesFailed = false
    package var version: String
    /// A sample of the clips instead of all.
    package var sample: ClipSample?
    /// This machine's shard of the clips; nil for all.
    package var shard: Shard?
    /// Whether unchanged clips are hashed again.
    package var rehashes = false
    /// Digests of clips that need not be hashed.
    package var knownDigests = DigestList()

    package init(
        name: String, dataset: DatasetConfiguration, configurations: [ExtractionConfiguration], workers: Int,
        version: String
    ) {
        (self.name, self.dataset, self.configurations) = (name, dataset, configurations)
        (self.workers, self.version) = (workers, version)
    }

    package enum Event: Sendable {
        case hashing(done: Int, total: Int)
        /// The remaining work; `skipped` videos are complete.
        case planned(remaining: Int, skipped: Int)
        /// `unit` is what was counted, `frames` or `windows`.
        case extracted(done: Int, total: Int, frames: Int, unit: String)
        case failed(path: String, error: String)
        case note(String)
    }

    package struct Summary: Sendable, Equatable {
        package var extracted = 0
        /// Frames, or windows, that were processed.
        package var frames = 0
        /// `frames`, unless all are `windows`.
        package var unit = "frames"
        /// Videos that already had all features.
        package var skipped = 0
        /// Clips that could not be used, in this run or before.
        package var failed = 0
        /// Damaged parts of videos that were skipped.
        package var decodeErrors = 0
        package var wasCancelled = false
        /// Time of extraction, without hashing and planning.
        package var seconds = 0.0
    }

    /// State of one run: the cache, the progress callback, and the summary so far. Used only by the calling thread.
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
        let views: [FeatureExtractor.View]
    }

    /// A recipe with its row ID in the cache.
    struct Target: Sendable {
        let recipe: ExtractionRecipe
        let weights: LoadedWeights
        let record: ExtractionRecord
        let id: Int64
        let views: Int
    }

    /// Extracts missing features. Stored features are kept whatever happens. `isCancelled`: polled between videos and
    /// between batches of frames. `report`: called in the calling thread. Throws `DatasetError`, `WeightsError`,
    /// `CacheError`; a broken video is recorded as a failure, not thrown.
    package func run(
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
        // A run on a sample precedes the full extraction, which reports the listing.
        if sample == nil, let summary = listing.summary {
            session.report(
                .note("\(summary). `zoetrope dataset PIPELINE` lists \(listing.leftOut.count == 1 ? "it" : "them")."))
        }
        if sample == nil { for note in listing.notes { session.report(.note(note)) } }
        let clips = sample?.choose(from: all, task: dataset.task) ?? all
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
            try session.cache.requireRoom(forSequences: own, of: StoredExtraction(id: target.id, record: target.record))
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

    /// The recipes' networks on the GPU, shared by all workers; nil on the CPU.
    private func deviceNetworks(_ session: Session) throws -> [DeviceNetwork]? {
        guard try device.isGPU() else { return nil }
        var networks: [DeviceNetwork] = []
        do {
            for target in session.targets {
                if target.recipe.precision == .f16 {
                    session.report(
                        .note(
                            "\(target.recipe.backbone) is loaded on the GPU; on first use on a machine its kernels are "
                                + "compiled, which takes up to half a minute"))
                }
                networks.append(try DeviceNetwork(target.recipe, target.weights.source, batch: deviceBatch))
                session.report(
                    .note("\(target.recipe.backbone) runs on the GPU with batches of \(networks.last?.batch ?? 0)"))
            }
        } catch {
            networks.forEach { $0.close() }
            throw error
        }
        return networks
    }
}

import Datasets
import Extraction
import FeatureCache
import Foundation
import SequenceModels
import Threads
import Video

package struct FrameSet: Sendable {
    package struct Entry: Sendable, Equatable {
        /// Its label and split in the data set.
        package let clip: Clip
        /// SHA-256 of its content, hex.
        package let digest: String
        /// Of its frames in the store.
        let key: String
        /// Number of frames, or windows.
        package let frames: Int
    }

    /// Ordered by path.
    package let entries: [Entry]
    /// Clips that could not be decoded, with the reason.
    package let failures: [(path: String, reason: String)]
    let store: FrameStore
    private let root: String
    private let sampling: Sampling

    package enum Event: Sendable {
        case decoded(done: Int, total: Int)
        case failed(path: String, reason: String)
    }

    /// Decodes clips that the store lacks, one per core at a time. Throws `DatasetError`, `CacheError`,
    /// `FineTuningError`, `FeatureExtractor.Cancelled`.
    package init(
        _ dataset: DatasetConfiguration, _ configuration: FineTuningConfiguration, store: FrameStore, workers: Int,
        isCancelled: @escaping @Sendable () -> Bool = { false }, report: (Event) -> Void
    ) throws {
        let clips = try dataset.clips()
        if let problem = dataset.testShareProblem(clips), problem.isEmpty { throw DatasetError.emptyTest(problem) }
        let root = dataset.root
        let maker = RequestMaker(configuration)
        var digests = [String?](repeating: nil, count: clips.count)
        var failures: [(path: String, reason: String)] = []
        try runJobs(count: clips.count, workers: workers) {
            { index in
                if isCancelled() { throw FeatureExtractor.Cancelled() }
                return Result { try FileDigest.clip(path: root + "/" + clips[index].path) }
            }
        } consume: { (index: Int, digest: Result<String, any Error>) in
            switch digest {
            case .success(let digest): digests[index] = digest
            case .failure(let error): failures.append((clips[index].path, error.localizedDescription))
            }
        }
        let keys = digests.map { $0.map(maker.key) }
        let present = try store.present(keys.compactMap { $0 })
        let missing = clips.indices.filter { index in keys[index].map { !present.contains($0) } ?? false }
        try Self.checkRoom(store.path, bytes: missing.count * maker.bytes)
        let (jobs, allDigests, allKeys) = (missing, digests, keys)
        var done = 0
        try runJobs(count: jobs.count, workers: workers) {
            { job -> Result<[[UInt8]], any Error> in
                if isCancelled() { throw FeatureExtractor.Cancelled() }
                let index = jobs[job]
                return Result {
                    let request = maker.request(allDigests[index] ?? "")
                    return try openClip(path: root + "/" + clips[index].path)
                        .images(request, differences: maker.differences)
                }
            }
        } consume: { (job: Int, frames: Result<[[UInt8]], any Error>) in
            let index = jobs[job]
            switch frames {
            case .success(let frames) where !frames.isEmpty: try store.store(frames, key: allKeys[index] ?? "")
            case .success: failures.append((clips[index].path, "no frame can be decoded"))
            case .failure(let error):
                failures.append((clips[index].path, error.localizedDescription))
                report(.failed(path: clips[index].path, reason: error.localizedDescription))
            }
            done += 1
            report(.decoded(done: done, total: jobs.count))
        }
        let counts = try store.counts(keys.compactMap { $0 })
        let copies = CopiedClips(clips, contents: digests, of: dataset)
        entries = clips.indices.compactMap { index in
            guard let digest = digests[index], let key = keys[index], let frames = counts[key] else { return nil }
            guard let clip = dataset.task == .multilabel ? copies[index] : clips[index] else { return nil }
            return Entry(clip: clip, digest: digest, key: key, frames: frames)
        }
        self.failures = failures
        self.store = store
        (self.root, sampling) = (root, configuration.extraction.sampling)
        if entries.isEmpty { throw FineTuningError.noFrames(failed: failures.count) }
    }

    static func checkRoom(_ path: String, bytes: Int) throws {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder)
        guard let free = (attributes?[.systemFreeSize] as? NSNumber)?.intValue, bytes > free else { return }
        throw FineTuningError.noRoom(path: path, needed: bytes, free: free)
    }

    /// Sampled frames per second of the extraction, the median of some clips; nil if unknown.
    var sampledRate: Double? {
        let step = max(1, entries.count / 32)
        let rates = stride(from: 0, to: entries.count, by: step).compactMap { index -> Double? in
            guard let clip = try? openClip(path: root + "/" + entries[index].clip.path) else { return nil }
            guard let times = try? clip.times(SampleRequest(sampling, framing: .full)), let first = times.first,
                let last = times.last, last > first
            else { return nil }
            return Double(times.count - 1) / (last - first)
        }.sorted()
        return rates.isEmpty ? nil : rates[rates.count / 2]
    }

    /// The examples for heads, with consecutive row indices.
    func features(size: Int) -> FeatureSet {
        var first = 0
        let examples = entries.enumerated().map { index, entry in
            defer { first += entry.frames }
            return FeatureSet.Example(
                videoID: Int64(index), path: entry.clip.path, label: entry.clip.label, split: entry.clip.split.rawValue,
                group: entry.clip.group, length: entry.frames, firstRow: first)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: [])
    }
}

/// Creates sampling requests of clips and their keys in the store.
private struct RequestMaker: Sendable {
    let extraction: ExtractionConfiguration
    let sampling: Sampling
    let isRandom: Bool
    var differences: Bool { extraction.showsDifference }

    init(_ configuration: FineTuningConfiguration) {
        extraction = configuration.extraction
        isRandom = configuration.framesPerVideo != nil
        sampling = configuration.framesPerVideo.map { .uniform(frames: $0) } ?? extraction.sampling
    }

    /// Maximum bytes of a clip.
    var bytes: Int {
        sampling.frames * (sampling.windowed?.length ?? 1) * extraction.imageSize * extraction.imageSize * 3
    }

    func request(_ digest: String) -> SampleRequest {
        SampleRequest(
            sampling, seed: UInt64(digest.prefix(16), radix: 16) ?? 0, framing: extraction.framing,
            jitters: isRandom, aspect: extraction.aspect)
    }

    func key(_ digest: String) -> String {
        let text = (try? TrainingCheckpoint.json(sampling, .sortedKeys)) ?? ""
        return "\(digest) \(text)\(isRandom ? " random" : "") \(extraction.imageSize) \(extraction.resize.rawValue)"
            + (differences ? " difference" : "") + (extraction.aspect == .display ? " display" : "")
    }
}

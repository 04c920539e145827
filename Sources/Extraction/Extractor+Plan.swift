import Datasets
import Digests
import FeatureCache
import Foundation
import Inference
import Video

extension Extractor {
    /// Loads the weights and checks that they fit, before anything is written.
    func check(
        _ configuration: ExtractionConfiguration, _ report: (Event) -> Void
    ) throws -> (ExtractionRecipe, LoadedWeights) {
        var configuration = configuration
        let isGPU = try device.isGPU()
        if !configuration.precision.isNative(onGPU: isGPU) {
            report(
                .note(
                    isGPU
                        ? "\(configuration.precision.rawValue) needs a processor; on the GPU "
                            + "\(configuration.backbone.name) computes in f32, and `precision: f16` is faster"
                        : "this processor (\(ArithmeticLibrary.instructionSet)) has no instructions for "
                            + "\(configuration.precision.rawValue); \(configuration.backbone.name) computes in f32"))
            configuration.precision = .f32
        }
        if !isGPU, configuration.precision == .bf16, !configuration.choosesPrecision, let speed = Precision.bf16Speed,
            speed < 1
        {
            report(.note(Self.slower(.bf16, speed, of: "typical convolutions")))
        }
        let weights = try LoadedWeights(configuration.weights, for: configuration.backbone)
        let recipe = try ExtractionRecipe(configuration, weights)
        for note in configuration.notes(on: weights) { report(.note(note)) }
        try weights.validate(for: recipe.graph(weights.source).parameters(for: recipe.tap))
        return (recipe, weights)
    }

    func record(
        _ recipe: ExtractionRecipe, _ weights: LoadedWeights, _ configuration: ExtractionConfiguration
    ) throws -> ExtractionRecord {
        ExtractionRecord(
            digest: recipe.digest, name: configurations.count == 1 ? name : "\(name)-\(recipe.backbone)",
            backbone: recipe.backbone, weights: configuration.weights.name, weightsDigest: weights.digest,
            tap: recipe.tap, imageSize: recipe.imageSize, maxFrames: recipe.sampling.frames,
            featureShape: try recipe.graph(weights.source).featureShape(of: recipe.tap), elementType: recipe.storedType,
            precision: recipe.precision.rawValue, recipe: recipe.json, version: version)
    }

    /// Hashes the clips, records them in the cache, and returns those that still need work.
    func plan(_ clips: [Clip], _ session: Session) throws -> [Job] {
        let (targets, cache) = (session.targets, session.cache)
        let digests = try hash(clips, session)
        let known = try targets.map { try cache.extractedViews(extraction: $0.id) }
        let failures = try targets.map { try cache.failures(extraction: $0.id) }
        let copies = CopiedClips(clips, contents: digests.map { try? $0?.get().digest }, of: dataset)
        let places = try places(of: dataset.task == .multilabel ? copies.clips : clips)
        if let summary = copies.summary { session.report(.note("\(summary).")) }
        var samples: [(video: VideoRecord, sample: SampleRecord)] = []
        var jobs: [Job] = []
        for (index, (clip, content)) in zip(clips, digests).enumerated() {
            if let shard, let content, !shard.contains(clip, content) { continue }
            switch content {
            case nil: session.summary.wasCancelled = true
            case .failure(let error)?: try fail(clip, error, targets.map(\.id), session)
            case .success(let content)?:
                let digest = content.digest
                if copies.isCopy(index) {
                    if let note = copies.note(index) { session.report(.note("\(note).")) }
                    continue
                }
                let video = VideoRecord(digest: digest, path: clip.path)
                samples += (places[clip.path] ?? []).map { (video, $0) }
                let missing = targets.indices.flatMap { place in
                    (0..<targets[place].views).filter { known[place][digest]?.contains($0) != true }
                        .map { FeatureExtractor.View(recipe: place, view: $0) }
                }
                let wanted = missing.filter { view in
                    retriesFailed || failures[view.recipe][clip.path].map { deservesRetry(clip, after: $0) } ?? true
                }
                if missing.isEmpty {
                    session.summary.skipped += 1
                } else if wanted.isEmpty {
                    session.report(
                        .note("\(clip.path) failed before and is left out; use --retry-failed to try it again."))
                    session.summary.failed += 1
                } else {
                    jobs.append(Job(clip: clip, content: content, views: wanted))
                }
            }
        }
        try cache.registerSamples(samples)
        return session.summary.wasCancelled ? [] : jobs
    }

    /// The splits of each clip, several if all official splits are used.
    private func places(of clips: [Clip]) throws -> [String: [SampleRecord]] {
        let parts = dataset.allSplits ? try dataset.parts.map { ($0.name, try $0.ownClips()) } : [(dataset.name, clips)]
        var places: [String: [SampleRecord]] = [:]
        for (name, clips) in parts {
            for clip in clips {
                places[clip.path, default: []].append(SampleRecord(clip, of: dataset, named: name))
            }
        }
        return places
    }

    func fail(_ clip: Clip, _ error: VideoError, _ extractions: [Int64], _ session: Session) throws {
        for extraction in extractions {
            try session.cache.recordFailure(path: clip.path, error: error.localizedDescription, extraction: extraction)
        }
        session.summary.failed += 1
        session.report(.failed(path: clip.path, error: error.localizedDescription))
    }

    /// Whether the file was modified after the failure or while it was read, so that another attempt may succeed.
    private func deservesRetry(_ clip: Clip, after failure: (error: String, at: Date)) -> Bool {
        let path = dataset.root + "/" + clip.path
        if failure.error == VideoError.changed(path: path).localizedDescription { return true }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return (attributes?[.modificationDate] as? Date).map { $0 > failure.at } ?? false
    }
}

extension Shard {
    /// Unreadable clips are assigned to shards by path, so that each is reported once.
    fileprivate func contains(_ clip: Clip, _ content: Result<HashedClip, VideoError>) -> Bool {
        switch content {
        case .success(let content): contains(digest: content.digest)
        case .failure: contains(digest: hexDigest(Data(clip.path.utf8)))
        }
    }
}

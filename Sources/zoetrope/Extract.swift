import ArgumentParser
import Extraction
import FeatureCache
import PipelineFile
import Reports
import Workflows

struct Extract: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decode each video once and store its features in the cache.",
        discussion: "Videos whose features are in the cache are skipped, so an interrupted extraction resumes.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var cache: CacheOption
    @OptionGroup var workers: WorkerOption

    @Option(
        help: ArgumentHelp(
            "Device for inference: cpu, cuda (an NVIDIA GPU), or auto.",
            discussion: """
                `cuda` needs ONNX Runtime with CUDA (`pip install 'onnxruntime-gpu[cuda,cudnn]'`), whose folder \
                ZOETROPE_ONNXRUNTIME names. Its f32 features equal those of the cpu up to rounding and share their \
                recipe.
                """)) var device = InferenceDevice.cpu

    @Flag(help: "Retry videos that failed before.") var retryFailed = false

    @Flag(help: "Hash all videos again, including those with unchanged size, time and inode.") var rehash = false

    @Flag(
        help: """
            Extract nothing; compare speed, features and head accuracy of the pipeline's precision with f32 on a few \
            clips.
            """) var check = false

    @Option(
        help: ArgumentHelp(
            "Extract shard K of N into its own cache, such as features.shard-2-of-8.sqlite.",
            discussion: """
                `auto` reads K and N from a Slurm array, an indexed job of Kubernetes (with ZOETROPE_SHARDS) or an \
                array job of AWS Batch. `zoetrope cache merge` merges the shards.
                """, valueName: "K/N|auto")) var shard: String?

    @Option(help: "A file written by `zoetrope dataset --digests`: unchanged clips listed in it are not hashed again.")
    var digests: String?

    func validate() throws {
        do { _ = try shard.map { try Shard($0) } } catch { throw ValidationError(error.localizedDescription) }
    }

    func run() throws {
        try Console.perform {
            if !check { try cache.requireWritable() }
            let pipeline = try pipeline.read()
            if check { return try Self.check(pipeline, workers: workers.count, device) }
            var extractor = Extractor(
                name: pipeline.name, dataset: pipeline.dataset, configurations: pipeline.extractions,
                workers: workers.count, version: ZoetropeCommand.version)
            if shard != nil, pipeline.extractions.contains(where: \.choosesPrecision) {
                throw PrecisionChoiceError.shards
            }
            (extractor.retriesFailed, extractor.rehashes, extractor.device) = (retryFailed, rehash, device)
            _ = try device.isGPU()
            extractor.shard = try shard.map { try Shard($0) }
            extractor.knownDigests = try digests.map { try DigestList(path: $0) } ?? DigestList()
            let path = extractor.shard?.cachePath(cache.path) ?? cache.path
            let cache = try CacheFile(path: path)
            extractor.configurations = try Self.decided(pipeline, in: cache, workers: workers.count, device)
            let summary = try Self.extract(extractor, into: cache)
            Console.print(lines: summary.text)
            Console.print("Cache: \(path)")
            if summary.wasCancelled {
                Console.message("Interrupted. Extracted features are kept; run the same command again to resume.")
                throw Console.interrupted
            }
            if summary.failed > 0 {
                Console.message("Failures are listed in the table `failure`.")
                throw Console.someFailed
            }
        }
    }

    /// Extracts with progress output and Ctrl-C handling.
    static func extract(_ extractor: Extractor, into cache: CacheFile) throws -> Extractor.Summary {
        let progress = ExtractionProgress()
        defer { progress.finish() }
        return try Console.interruptible { try extractor.run(into: cache, isCancelled: $0, report: progress.show) }
    }

    /// The configurations with `precision: fastest` replaced with the selected precision.
    static func decided(
        _ pipeline: Pipeline, in cache: CacheFile, workers: Int, _ device: InferenceDevice = .cpu
    ) throws -> [ExtractionConfiguration] {
        guard pipeline.extractions.contains(where: \.choosesPrecision) else { return pipeline.extractions }
        Interruption.install()
        let progress = ExtractionProgress()
        defer { progress.finish() }
        do {
            return try pipeline.extractions.map { configuration in
                var choice = PrecisionChoice(
                    pipeline: pipeline, configuration: configuration, workers: workers,
                    version: ZoetropeCommand.version)
                choice.device = device
                return try choice.decided(in: cache, isCancelled: { Interruption.isRequested }, report: progress.show)
            }
        } catch is FeatureExtractor.Cancelled {
            Console.message("Interrupted before the precision was chosen. Run the same command to start again.")
            throw Console.interrupted
        }
    }

    private static func check(_ pipeline: Pipeline, workers: Int, _ device: InferenceDevice) throws {
        let progress = ExtractionProgress()
        defer { progress.finish() }
        var check = PrecisionCheck(pipeline: pipeline, workers: workers, version: ZoetropeCommand.version)
        check.device = device
        let result = try Console.interruptible { try check.run(isCancelled: $0, report: progress.show) }
        progress.finish()
        Console.print(lines: result.text)
    }
}

extension InferenceDevice: ExpressibleByArgument {}

/// Shows the progress of an extraction: a bar with frames per second and remaining time.
final class ExtractionProgress {
    private let line = ProgressLine()
    private var begin = ContinuousClock.now
    /// Notes that were already shown: precision comparisons repeat most of them.
    private var notes: Set<String> = []

    func show(_ event: Extractor.Event) {
        switch event {
        case .hashing(let done, let total):
            // In a log, instant steps are omitted.
            if done < total || Console.isTerminal { line.step("reading", done, of: total) }
        case .planned(let remaining, let skipped):
            line.clear()
            begin = .now
            Console.message("\(counted(remaining, "video")) to extract, \(skipped) already in the cache")
        case .extracted(let done, let total, let frames, let unit):
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            let left = seconds / Double(done) * Double(total - done)
            line.step(
                "extracting", done, of: total,
                "  \(decimal(Double(frames) / max(seconds, 1e-9), 1)) \(unit)/s  ETA \(ProgressLine.clock(left))")
        case .failed(let path, let error):
            line.clear()
            Console.message("failed: \(path): \(error)")
        case .note(let text):
            guard notes.insert(text).inserted else { return }
            line.clear()
            Console.message("note: " + text)
        }
    }

    func finish() { line.clear() }
}

extension Extractor.Summary {
    var text: String {
        var parts = ["Extracted \(counted(extracted, "video")) (\(grouped(frames)) \(unit))"]
        if extracted > 0 {
            parts[0] += " in \(decimal(seconds, 1)) s, \(decimal(Double(frames) / max(seconds, 1e-9), 1)) \(unit)/s"
        }
        parts.append("\(grouped(skipped)) skipped, already in the cache")
        parts.append("\(grouped(failed)) failed")
        if decodeErrors > 0 {
            parts.append("\(grouped(decodeErrors)) damaged \(decodeErrors == 1 ? "segment" : "segments") skipped")
        }
        return parts.joined(separator: "; ") + "."
    }
}

import ArgumentParser
import Extraction
import FeatureCache
import Pipelines
import Reports

/// Stage 1.
struct Extract: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Decode each video once and keep its features in the cache.",
        discussion: "What is in the cache already is skipped, so an interrupted extraction goes on where it stopped.")

    @OptionGroup var pipeline: PipelineOptions
    @OptionGroup var cache: CacheOption
    @OptionGroup var workers: WorkerOption

    @Option(
        help: ArgumentHelp(
            "What computes features: cpu, cuda (an NVIDIA GPU), or auto.",
            discussion: """
                `cuda` needs ONNX Runtime with CUDA beside this program (`pip install 'onnxruntime-gpu[cuda,cudnn]'`), found \
                through ZOETROPE_ONNXRUNTIME. Features in f32 are those of the cpu but for rounding, and share its cache.
                """))
    var device = InferenceDevice.cpu

    @Flag(help: "Try videos again that failed before.")
    var retryFailed = false

    @Flag(help: "Read all videos again, also those of the size, time and number that they had before.")
    var rehash = false

    @Flag(help: "Extract nothing; try the pipeline's precision beside f32 on a few clips, and a head on each.")
    var check = false

    @Option(
        help: ArgumentHelp(
            "Extract one of N equal parts into a cache of its own, such as features.shard-2-of-8.sqlite.",
            discussion: """
                `auto` takes the part from a Slurm array, an indexed job of Kubernetes (with ZOETROPE_SHARDS) or an \
                array job of AWS Batch. `zoetrope cache merge` joins the parts.
                """, valueName: "K/N|auto"))
    var shard: String?

    @Option(
        help: "A file that `zoetrope dataset --digests` wrote: clips in it need not be read to learn what they hold.")
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
                Console.message("Interrupted. What was extracted is kept; the same command goes on from here.")
                throw Console.interrupted
            }
            if summary.failed > 0 {
                Console.message("Failures are listed in the table `failure`.")
                throw Console.someFailed
            }
        }
    }

    /// Extracts with progress and Ctrl-C.
    static func extract(_ extractor: Extractor, into cache: CacheFile) throws -> Extractor.Summary {
        Interruption.install()
        let progress = ExtractionProgress()
        defer { progress.finish() }
        return try extractor.run(into: cache, isCancelled: { Interruption.isRequested }, report: progress.show)
    }

    /// The configurations with the precisions that were found to be fastest, now or before, where that is wanted.
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
                return try choice.decided(
                    in: cache, isCancelled: { Interruption.isRequested }, report: progress.show)
            }
        } catch is FeatureExtractor.Cancelled {
            Console.message("Interrupted before the precision was chosen. The same command begins again.")
            throw Console.interrupted
        }
    }

    /// Compares precisions.
    private static func check(_ pipeline: Pipeline, workers: Int, _ device: InferenceDevice) throws {
        Interruption.install()
        let progress = ExtractionProgress()
        defer { progress.finish() }
        var check = PrecisionCheck(pipeline: pipeline, workers: workers, version: ZoetropeCommand.version)
        check.device = device
        do {
            let result = try check.run(isCancelled: { Interruption.isRequested }, report: progress.show)
            progress.finish()
            Console.print(lines: result.text)
        } catch is FeatureExtractor.Cancelled {
            throw Console.interrupted
        }
    }
}

extension InferenceDevice: ExpressibleByArgument {}

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

    @Argument(help: "A pipeline file (YAML).")
    var pipeline: String

    @OptionGroup var cache: CacheOption
    @OptionGroup var workers: WorkerOption

    @Flag(help: "Try videos again that failed before.")
    var retryFailed = false

    @Flag(help: "Extract nothing; try the pipeline's precision beside f32 on a few clips, and a head on each.")
    var check = false

    @Option(name: .customLong("set"), help: "Override a key of the pipeline, such as extract.image_size=160.")
    var overrides: [String] = []

    func run() throws {
        try Console.perform {
            let pipeline = try Pipeline(file: pipeline, overrides: overrides)
            if check { return try Self.check(pipeline, workers: workers.count) }
            var extractor = Extractor(
                name: pipeline.name, dataset: pipeline.dataset, configurations: pipeline.extractions,
                workers: workers.count, version: ZoetropeCommand.version)
            extractor.retriesFailed = retryFailed
            let summary = try Self.extract(extractor, into: CacheFile(path: cache.path))
            print(summary.text)
            print("Cache: \(cache.path)")
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

    /// Compares precisions.
    private static func check(_ pipeline: Pipeline, workers: Int) throws {
        Interruption.install()
        let progress = ExtractionProgress()
        defer { progress.finish() }
        let check = PrecisionCheck(pipeline: pipeline, workers: workers, version: ZoetropeCommand.version)
        do {
            let result = try check.run(isCancelled: { Interruption.isRequested }, report: progress.show)
            progress.finish()
            print(result.text)
        } catch is FeatureExtractor.Cancelled {
            throw Console.interrupted
        }
    }
}

import ArgumentParser
import Extraction
import FeatureCache
import Files
import Foundation
import PipelineFile
import Reports

extension Cache {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Export features for NumPy or safetensors, or any table as CSV.",
            discussion: """
                The ending of OUTPUT decides: .npy holds the features alone [video, frame, feature…], .npz and \
                .safetensors also masks, lengths, labels, paths and splits, .csv a table or view of the cache. Videos \
                are sorted by path; the file is written atomically.
                """)

        @Argument(help: "The cache.") var file: String

        @Argument(help: "A file that ends in .npy, .npz, .safetensors or .csv.") var output: String

        @Option(help: "A recipe by name or by the beginning of its digest (default: the only one).") var recipe: String?

        @Option(help: "A data set (default: the only one).") var dataset: String?

        @Option(help: "One split: train, validation or test; with --run also heldout.") var split: String?

        @Option(
            name: .customLong("run"),
            help: "Name of a run: use the splits as the run used them, and leave out other clips.") var runName: String?

        @Option(help: "Table or view for .csv, such as coverage, frame_feature, prediction, class_accuracy.")
        var table: String?

        private var ending: String { output.fileExtension.lowercased() }

        func validate() throws {
            guard ending == "csv" || CacheExport.Format(rawValue: ending) != nil else {
                throw ValidationError("\(output) must end in .npy, .npz, .safetensors or .csv.")
            }
            if runName != nil, table != nil {
                throw ValidationError("--run is for features; filter a table by its own column.")
            }
            if (ending == "csv") != (table != nil) {
                throw ValidationError("--table needs an output that ends in .csv.")
            }
        }

        func run() throws {
            try Console.perform {
                try OutputPath.requireFile(output, "The file to write")
                let cache = try CacheFile(path: file, create: false)
                if let table {
                    var filters: [String: String] = [:]
                    filters["extraction"] = try recipe.map { try cache.extraction(called: $0).record.name }
                    filters["dataset"] = dataset
                    filters["split"] = split
                    let count = try cache.exportTable(table, where: filters, to: output)
                    return Console.print("Wrote \(counted(count, "row")) of \(table): \(output)")
                }
                guard let format = CacheExport.Format(rawValue: ending) else { return }
                let source = try runName.map { try cache.source(ofRun: $0) }
                var export = CacheExport(
                    extraction: try recipe.map { try cache.extraction(called: $0).id } ?? source?.extraction
                        ?? onlyRecipe(cache),
                    dataset: try dataset ?? source?.dataset ?? onlyDataset(cache), split: split)
                export.run = source?.run
                let count = try export.write(format, from: cache, to: output)
                Console.print("Wrote the features of \(counted(count, "video")): \(output)")
            }
        }

        private func onlyRecipe(_ cache: CacheFile) throws -> Int64 {
            let all = try cache.extractions()
            guard let only = all.first, all.count == 1 else {
                throw ExportError.severalRecipes(all.map(\.record.name).sorted())
            }
            return only.id
        }

        private func onlyDataset(_ cache: CacheFile) throws -> String {
            let all = try cache.datasets()
            guard let only = all.first, all.count == 1 else { throw ExportError.severalDatasets(all) }
            return only
        }
    }

    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove recipes, runs or videos from a cache, and free the space.",
            discussion: """
                Rows are removed in one transaction. Freeing the space needs as much free disk space as the \
                remaining data. Runs \
                keep their metrics if the features that they were trained on are removed; their folders are not changed.
                """)

        @Argument(help: "The cache.") var file: String

        @Option(
            name: .customLong("recipe"), help: "Remove a recipe with its features, by name or digest; may be repeated.")
        var recipes: [String] = []

        @Option(name: .customLong("run"), help: "Remove a run with its epochs and predictions; may be repeated.")
        var runs: [String] = []

        @Option(help: "Remove videos of this pipeline file's data set whose files no longer exist, and their features.")
        var vanished: String?

        @Flag(help: "Remove sequences that `cache verify` reports as damaged.") var damaged = false

        @Flag(help: "Remove features of videos that belong to no data set.") var unused = false

        @Flag(help: "Only print what would be removed.") var dryRun = false

        @OptionGroup var workers: WorkerOption

        func run() throws {
            try Console.perform {
                let cache = try CacheFile(path: file, create: false)
                let summary = try cache.prune(try pruning(cache), dryRun: dryRun)
                Console.print(
                    "\(dryRun ? "Would remove" : "Removed") \(counted(summary.sequences, "sequence")), "
                        + "\(counted(summary.videos, "video")), \(counted(summary.recipes, "recipe")), "
                        + "\(counted(summary.runs, "run")).")
                if !dryRun {
                    Console.print(
                        "\(file): \(decimal(Double(summary.bytesBefore) / 1e6, 1)) MB before, "
                            + "\(decimal(Double(summary.bytesAfter) / 1e6, 1)) MB now.")
                }
            }
        }

        private func pruning(_ cache: CacheFile) throws -> CachePruning {
            var pruning = CachePruning()
            pruning.recipes = Set(try recipes.map { try cache.extraction(called: $0).id })
            pruning.runs = Set(
                try runs.map { name in
                    guard let run = try cache.run(named: name) else { throw PruningError.unknownRun(name) }
                    return run
                })
            if let vanished {
                let dataset = try Pipeline(file: vanished).dataset
                let gone = try VanishedVideos(dataset, in: cache, workers: workers.count)
                for path in gone.paths { Console.message("file is missing: \(path)") }
                pruning.vanished = (dataset.name, gone.videos)
            }
            if damaged { pruning.damaged = try cache.damagedSequences() }
            pruning.isUnused = unused
            return pruning
        }
    }
}

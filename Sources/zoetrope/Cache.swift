import ArgumentParser
import Escaping
import FeatureCache
import Files
import Foundation
import Reports

struct Cache: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show, verify, merge, export and prune caches.",
        subcommands: [Info.self, Verify.self, Merge.self, Export.self, Prune.self])

    struct Listing: ParsableArguments {
        @Argument(help: "Manage cache files.") var files = ["features.sqlite"]

        @Flag(help: "Print JSON.") var json = false
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show recipes, how much of each data set they cover, and sizes.")

        @OptionGroup var options: Listing

        func run() throws {
            try Console.perform {
                let summaries = try options.files.map { try CacheFile(path: $0, create: false).summary() }
                if options.json {
                    Console.print(json: try JSONText.of(summaries, keys: .convertToSnakeCase))
                } else {
                    Console.print(lines: summaries.map(\.text).joined(separator: "\n\n"))
                }
            }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Read everything and compare it with its checksums.",
            discussion: """
                Checks SQLite's structure, references between tables and the digests of recipes, and for every \
                sequence the \
                checksum, mask, length, padding, frame indices and times. Exits with 1 if something is damaged. Then \
                `zoetrope cache prune FILE --damaged` removes it, and `extract` computes it again.
                """)

        @OptionGroup var options: Listing

        func run() throws {
            try Console.perform {
                var results: [String: CacheVerification] = [:]
                for file in options.files { results[file] = try Self.verify(file, isQuiet: options.json) }
                if options.json { Console.print(json: try JSONText.of(results, keys: .convertToSnakeCase)) }
                if results.values.contains(where: { !$0.isWhole }) { throw ExitCode(1) }
            }
        }

        private static func verify(_ file: String, isQuiet: Bool) throws -> CacheVerification {
            let cache = try CacheFile(path: file, create: false)
            let begin = ContinuousClock.now
            // Called by one thread at a time.
            nonisolated(unsafe) let line = ProgressLine()
            let result = try cache.verify { done, total in line.step("checking", done >> 20, of: total >> 20, " MB") }
            line.clear()
            let seconds = (ContinuousClock.now - begin) / .seconds(1)
            guard !isQuiet else { return result }
            for problem in result.problems.prefix(50) {
                Console.print("\(problem.isDamage ? "damaged" : "note"): \(problem.place): \(problem.what)")
            }
            if result.problems.count > 50 { Console.print("… and \(grouped(result.problems.count - 50)) more") }
            let damaged = result.problems.count(where: \.isDamage)
            Console.print(
                "\(file): " + (damaged == 0 ? "whole" : "\(grouped(damaged)) damaged") + "; "
                    + "\(counted(result.sequences, "sequence")), \(decimal(Double(result.bytes) / 1e6, 1)) MB"
                    + " in \(decimal(seconds, 1)) s.")
            if damaged > 0 {
                Console.message(
                    "`zoetrope cache prune \(file) --damaged` removes damaged sequences; then run `zoetrope extract` "
                        + "again.")
            }
            return result
        }
    }

    struct Merge: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Merge caches, such as the shards of an extraction, into one.",
            discussion: """
                Everything is compared before anything is written: caches of another schema, or with other features \
                for \
                the same video and recipe, are rejected. Rows that exist already are skipped, so an interrupted merge \
                resumes, and a repeated one changes nothing.
                """)

        @Argument(help: "The cache to merge into; it is created if it does not exist.") var output: String

        @Argument(help: "Caches to merge. They are not changed.") var inputs: [String]

        func run() throws {
            try Console.perform {
                try OutputPath.requireFile(output, "The cache to merge into")
                Interruption.install()
                let line = ProgressLine()
                let begin = ContinuousClock.now
                let summary = try CacheMerge(output: output, inputs: inputs).run(
                    isCancelled: { Interruption.isRequested }
                ) { event in
                    switch event {
                    case .comparing(let path): line.show("comparing \(path)")
                    case .merging(let path, let done, let total):
                        line.step("merging", done >> 20, of: total >> 20, " MB  \(path)")
                    }
                }
                line.clear()
                let seconds = (ContinuousClock.now - begin) / .seconds(1)
                Console.print(
                    "Merged \(counted(summary.sequences, "sequence")); \(grouped(summary.skipped)) existed already; "
                        + "\(counted(summary.runs, "run")); \(decimal(Double(summary.bytes) / 1e6, 1)) MB in "
                        + "\(decimal(seconds, 1)) s.\nCache: \(output)")
                if summary.wasCancelled {
                    Console.message("Interrupted. Run the same command again to resume.")
                    throw Console.interrupted
                }
                if summary.failures > 0 {
                    Console.message("\(counted(summary.failures, "clip")) failed; see the table `failure`.")
                    throw Console.someFailed
                }
            }
        }
    }
}

extension CacheSummary {
    var text: String {
        var sizes =
            "\(Escaping.visible(path)): \(decimal(Double(bytes) / 1e6, 1)) MB, schema \(schemaVersion), "
            + "\(counted(runs, "run"))"
        if freeBytes > 0 { sizes += "; \(decimal(Double(freeBytes) / 1e6, 1)) MB unused" }
        guard !recipes.isEmpty else { return sizes + "\nNo recipes." }
        var table = TextTable([
            ("recipe", .left), ("digest", .left), ("backbone", .left), ("weights", .left), ("tap", .left),
            ("size", .right), ("frames", .right), ("shape", .left), ("stored", .left), ("precision", .left),
            ("videos", .right), ("MB", .right), ("failed", .right), ("runs", .right),
        ])
        for recipe in recipes {
            table.append([
                recipe.name, String(recipe.digest.prefix(8)), recipe.backbone, recipe.weights, recipe.tap,
                "\(recipe.imageSize)", "\(recipe.maxFrames)", recipe.featureShape, recipe.elementType, recipe.precision,
                grouped(recipe.videos), decimal(Double(recipe.bytes) / 1e6, 1), grouped(recipe.failures),
                "\(recipe.runs)",
            ])
        }
        return [sizes, table.text, coverageText].joined(separator: "\n\n")
    }

    private var coverageText: String {
        guard !coverage.isEmpty else { return "No data sets." }
        var table = TextTable(
            [("data set", .left), ("split", .left), ("classes", .right), ("videos", .right)]
                + recipes.map { ($0.name, .right) })
        for part in coverage {
            table.append(
                [part.dataset, part.split, "\(part.classes)", grouped(part.videos)]
                    + recipes.map { recipe in
                        let count = part.extracted[recipe.digest] ?? 0
                        return count == part.videos ? "all" : grouped(count)
                    })
        }
        return table.text
    }
}

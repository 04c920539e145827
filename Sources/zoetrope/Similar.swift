import ArgumentParser
import Exploration
import FeatureCache
import Foundation
import Reports
import Video

/// What in the cache looks like this?
struct Similar: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The clips of a cache that are most like a video, by their features.")

    @Argument(help: "The SQLite file that holds the features.")
    var cache: String

    @Argument(help: "Video files, or folders of images.")
    var videos: [String]

    @Option(help: "Name of a recipe in the cache, or its backbone (default: the only one).")
    var recipe: String?

    @Option(help: "Name of a data set in the cache (default: the only one).")
    var dataset: String?

    @Option(help: "The backbone's weight file, where it is not where the recipe names it.")
    var weights: String?

    @Option(help: "How many clips to list.")
    var top = 10

    @Flag(help: "Find moments: the frame of each clip that is most alike.")
    var frames = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if videos.isEmpty { throw ValidationError("Name at least one video.") }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
    }

    private struct Document: Encodable {
        let video: String
        let similar: [SimilarClips.Match]
    }

    func run() throws {
        try Console.perform {
            let file = try CacheFile(path: cache, create: false)
            let selection = try CacheSelection(file, recipe: recipe, dataset: dataset)
            let search = try SimilarClips(
                file, dataset: selection.dataset, extraction: selection.extraction, weights: weights,
                memory: TrainingResources.defaultBytes)
            var documents: [Document] = []
            for video in videos {
                do {
                    let query = try search.query(video)
                    let matches =
                        try frames ? search.moments(like: query, count: top) : search.clips(like: query, count: top)
                    if json { documents.append(Document(video: video, similar: matches)) } else { show(video, matches) }
                } catch let error as VideoError {
                    Console.message("failed: " + error.localizedDescription)
                    if videos.count == 1 { throw ExitCode(1) }
                }
            }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(documents), as: UTF8.self))
            }
        }
    }

    private func show(_ video: String, _ matches: [SimilarClips.Match]) {
        var table = TextTable([("clip", .left), ("class", .left), ("cosine", .right)])
        if frames {
            table = TextTable([("clip", .left), ("class", .left), ("at", .right), ("cosine", .right)])
        }
        for match in matches {
            let time = frames ? [match.time.map { decimal($0, 2) + " s" } ?? "–"] : []
            table.append([match.path, match.label] + time + [decimal(match.cosine, 3)])
        }
        print("\(video)\n\(table.text)")
    }
}

import ArgumentParser
import Exploration
import FeatureCache
import Files
import Foundation
import Reports
import Video

struct Similar: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the clips of a cache that are most similar to a video, by the cosine of their features.")

    @OptionGroup var collection: CollectionOptions

    @Argument(help: "Video files, or folders of images.") var videos: [String]

    @Option(help: "The backbone's weight file, if it is not at the path that the recipe names.") var weights: String?

    @Option(help: "How many clips to list.") var top = 10

    @OptionGroup var filter: LabelOption

    @Flag(help: "Find moments: the most similar frame of each clip.") var frames = false

    @Option(
        help: ArgumentHelp(
            "Draw the frames of the clips found, below those of the video, as PNG or JPEG.", valueName: "file"))
    var strip: String?

    @OptionGroup var format: JSONOption

    func validate() throws {
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if let strip {
            if videos.count > 1 { throw ValidationError("--strip is for one video at a time.") }
            if ![".png", ".jpg", ".jpeg"].contains(where: strip.lowercased().hasSuffix) {
                throw ValidationError("--strip names a file that ends in .png or .jpg, not '\(strip)'.")
            }
        }
    }

    private struct Document: Encodable {
        let video: String
        let similar: [SimilarClips.Match]
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(strip, "--strip")
            let (file, selection) = try collection.open()
            let search = try SimilarClips(
                file, dataset: selection.dataset, extraction: selection.extraction, labels: filter.labels,
                weights: weights, memory: MemoryOption.defaultBytes)
            let documents = try videos.compactMap { video in
                let document = try Console.attempt {
                    let query = try search.query(video)
                    let matches =
                        try frames ? search.moments(like: query, count: top) : search.clips(like: query, count: top)
                    if let strip { try draw(strip, video, matches, file, selection) }
                    if !format.json { show(video, matches) }
                    return Document(video: video, similar: matches)
                }
                if document == nil, videos.count == 1 { throw ExitCode(1) }
                return document
            }
            if format.json { Console.print(json: try JSONText.of(documents)) }
        }
    }

    private func draw(
        _ path: String, _ video: String, _ matches: [SimilarClips.Match], _ cache: CacheFile,
        _ selection: CacheSelection
    ) throws {
        guard let root = try collection.root ?? selection.root(cache) else {
            return Console.message("note: no strip was written: the videos' folder is unknown; name it with --root")
        }
        let strip = try SimilarStrip(video, matches.map(\.path), root: root)
        for missing in strip.missing { Console.message("failed: \(missing) cannot be decoded") }
        let format: RGBImage.Format = path.lowercased().hasSuffix(".png") ? .png : .jpeg(quality: 4)
        try strip.image.encoded(as: format).write(to: URL(fileURLWithPath: path), options: .atomic)
        Console.message("Strip: " + path)
    }

    private func show(_ video: String, _ matches: [SimilarClips.Match]) {
        let table = TextTable(
            [("clip", .left), (matches.contains { $0.labels != nil } ? "labels" : "class", .left)]
                + (frames ? [("at", .right)] : []) + [("cosine", .right)],
            rows: matches.map { match in
                let time = frames ? [match.time.map { decimal($0, 2) + " s" } ?? "–"] : []
                return [match.path, match.shownLabel] + time + [decimal(match.cosine, 3)]
            })
        Console.print("\(video)\n\(lines: table.text)")
    }
}

import ArgumentParser
import Backbones
import Exploration
import Extraction
import FeatureCache
import Files
import Foundation
import Language
import NeuralNetwork
import Reports

struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Search a cache for clips or moments by text, image or video (CLIP, SigLIP).",
        discussion: """
            The cache must hold `projected` features of CLIP or SigLIP; the text tower is read from the same weight \
            file. The embeddings of several phrases are averaged.
            """)

    enum Unit: String, ExpressibleByArgument, CaseIterable {
        case clip, moment
    }

    @OptionGroup var collection: CollectionOptions

    @Argument(help: "The text to search for, such as \"a person falls off a bicycle\".") var phrases: [String] = []

    @Option(
        name: .customLong("video"),
        help: "A query video or folder of images; its embedding is averaged with those of the phrases.")
    var videos: [String] = []

    @Option(name: .customLong("image"), help: "A query image.") var images: [String] = []

    @Option(name: .customLong("not"), help: "A negative phrase; may be repeated.") var unwanted: [String] = []

    @Option(help: "List clips or moments.") var by = Unit.moment

    @Option(help: "Number of results.") var top = 20

    @Option(
        name: .customLong("where"),
        help: ArgumentHelp("SQL condition on clips, over the columns of `video` and `sample`.", valueName: "condition"))
    var condition: String?

    @OptionGroup var filter: LabelOption

    @Option(help: "The image tower's weight file, for --video and --image (default: the recipe's).")
    var weights: String?

    @Option(help: ArgumentHelp("The weight file that holds the text tower (default: the recipe's).", valueName: "file"))
    var text: String?

    @Option(
        help: ArgumentHelp("The vocabulary published with it (default: the one in the same folder).", valueName: "file")
    )
    var vocabulary: String?

    @Option(help: ArgumentHelp("Write the results as an HTML page with frames.", valueName: "file")) var html: String?

    @Option(
        name: [.customLong("output-video"), .customLong("film")],
        help: ArgumentHelp("Concatenate the moments found into one video (.mp4).", valueName: "file"))
    var outputVideo: String?

    @Flag(
        help: "Write the features to a memory-mapped file in the user cache, which speeds up this and later searches.")
    var map = false

    @OptionGroup var format: JSONOption

    func validate() throws {
        if phrases.isEmpty, videos.isEmpty, images.isEmpty {
            throw ValidationError("Give at least one phrase, --video or --image.")
        }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if let outputVideo {
            if !outputVideo.lowercased().hasSuffix(".mp4") {
                throw ValidationError("--output-video names a file that ends in .mp4, not '\(outputVideo)'.")
            }
            if by == .clip { throw ValidationError("--output-video concatenates moments: leave out --by clip.") }
        }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(html, "--html")
            try OutputPath.requireFile(outputVideo, "--output-video")
            let (file, selection) = try collection.open()
            let record = selection.extraction.record
            var shown: [[Float]] = []
            if !videos.isEmpty || !images.isEmpty {
                let encoder = try ImageEncoder(record, weights: weights)
                shown = try (videos + images).map(encoder.encode)
            }
            // Image queries need no text tower.
            let model =
                phrases.isEmpty && unwanted.isEmpty ? nil : try TextModel(record, weights: text, vocabulary: vocabulary)
            for phrase in phrases + unwanted where model?.encoder.isTooLong(phrase) == true {
                Console.message("note: \"\(phrase)\" is truncated to the maximum length of the text tower")
            }
            let (wanted, others) = (try model?.encoder.encode(phrases) ?? [], try model?.encoder.encode(unwanted) ?? [])
            // For later SQL queries; a failure is ignored, because the cache may be read-only.
            try? file.store(
                phrases: Array(zip(phrases + unwanted, wanted + others)), extraction: selection.extraction.id)
            let query = SearchQuery(wanted: wanted + shown, unwanted: others)
            let search = PhraseSearch(
                file, dataset: selection.dataset, extraction: selection.extraction, calibration: model?.calibration,
                mapped: try mapped(file, selection.extraction))
            let matches =
                by == .clip
                ? try search.clips(query, where: condition, labels: filter.labels, count: top)
                : try search.moments(query, where: condition, labels: filter.labels, count: top)
            if format.json {
                Console.print(json: try JSONText.of(matches))
            } else {
                Console.print(lines: table(matches))
            }
            try show(matches, file, selection)
        }
    }

    /// The memory-mapped features, created if they are requested and missing.
    private func mapped(_ cache: CacheFile, _ extraction: StoredExtraction) throws -> MappedFeatures? {
        if let known = try MappedFeatures.open(cache, extraction: extraction, in: PhraseSearch.mapFolder) {
            return known
        }
        guard map else { return nil }
        Interruption.install()
        Console.message("mapping \(extraction.record.name) into \(PhraseSearch.mapFolder)")
        guard
            let made = try MappedFeatures.make(
                cache, extraction: extraction, in: PhraseSearch.mapFolder, isCancelled: { Interruption.isRequested })
        else { throw Console.interrupted }
        return made
    }

    private func show(_ matches: [PhraseSearch.Match], _ cache: CacheFile, _ selection: CacheSelection) throws {
        if html == nil, outputVideo == nil { return }
        let folder = try collection.root ?? selection.root(cache)
        let moments = matches.map { match in
            Moment(
                path: match.path, label: match.shownLabel, start: match.start, end: match.end, score: match.score,
                probability: match.probability)
        }
        if let html {
            let record = selection.extraction.record
            let report = SearchReport(
                query: phrases + videos + images, unwanted: unwanted,
                collection: "\(selection.dataset), by \(record.backbone)"
                    + (filter.labels.isEmpty ? "" : ", \(filter.labels.joined(separator: " and "))")
                    + (condition.map { ", where \($0)" } ?? ""), moments: moments, root: folder)
            _ = try report.write(html: html)
            Console.message("Page: " + html)
        }
        guard let outputVideo else { return }
        guard let folder else {
            return Console.message("note: no video was written: the videos' folder is unknown; name it with --root")
        }
        Interruption.install()
        do {
            let summary = try MomentVideo(root: folder).write(
                moments, to: outputVideo, isCancelled: { Interruption.isRequested })
            for failure in summary.failures { Console.message("failed: \(failure.path): \(failure.error)") }
            Console.message(
                summary.joined == 0 ? "note: no video was written: nothing was found" : "Video: " + outputVideo)
            if !summary.failures.isEmpty { throw Console.someFailed }
        } catch is MomentVideo.Cancelled {
            throw Console.interrupted
        }
    }

    private func table(_ matches: [PhraseSearch.Match]) -> String {
        var table = TextTable([
            ("clip", .left), (matches.contains { $0.labels != nil } ? "labels" : "class", .left),
            (by == .clip ? "best at" : "from", .right),
            (by == .clip ? "" : "to", .right), ("score", .right), ("probability", .right),
        ])
        for match in matches {
            let times = by == .clip ? [match.time, nil] : [match.start, match.end]
            table.append(
                [match.path, match.shownLabel] + times.map { $0.map { decimal($0, 2) + " s" } ?? "" } + [
                    decimal(Double(match.score), 3), match.probability.map { percent(Double($0)) } ?? "–",
                ])
        }
        return table.text
    }
}

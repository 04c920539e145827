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

/// Where in the collection is what these words say?
struct Search: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Clips or moments of a cache that show what words say.",
        discussion: """
            The cache must hold `projected` features of CLIP or SigLIP, whose text tower is read from the same weight \
            file. Several phrases mean their middle.
            """)

    /// What is listed.
    enum Unit: String, ExpressibleByArgument, CaseIterable {
        case clip, moment
    }

    @OptionGroup var collection: CollectionOptions

    @Argument(help: "What is looked for, such as \"a person falls off a bicycle\".")
    var phrases: [String] = []

    @Option(
        name: .customLong("video"), help: "A video or folder of images that shows it; beside phrases, both are meant.")
    var videos: [String] = []

    @Option(name: .customLong("image"), help: "A picture that shows it.")
    var images: [String] = []

    @Option(name: .customLong("not"), help: "What is not meant; may be given several times.")
    var unwanted: [String] = []

    @Option(help: "List whole clips, or the moments in them.")
    var by = Unit.moment

    @Option(help: "How many to list.")
    var top = 20

    @Option(
        name: .customLong("where"),
        help: ArgumentHelp(
            "SQL that clips must meet, over the columns of `video` and `sample`.", valueName: "condition"))
    var condition: String?

    @Option(help: "The image tower's weight file, for --video and --image (default: where the recipe names it).")
    var weights: String?

    @Option(help: ArgumentHelp("The weight file that holds the text tower (default: the recipe's).", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("The vocabulary published with it (default: what lies beside it).", valueName: "file"))
    var vocabulary: String?

    @Option(help: ArgumentHelp("Write what was found as a page with frames.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Join the moments found into one film (.mp4).", valueName: "file"))
    var film: String?

    @Flag(help: "Keep the features in a file of their own, which this and later questions read at the speed of memory.")
    var map = false

    @OptionGroup var format: JSONOption

    func validate() throws {
        if phrases.isEmpty, videos.isEmpty, images.isEmpty {
            throw ValidationError("Write at least one phrase, or name a --video or an --image.")
        }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if let film {
            if !film.lowercased().hasSuffix(".mp4") {
                throw ValidationError("--film names a file that ends in .mp4, not '\(film)'.")
            }
            if by == .clip { throw ValidationError("--film joins moments, not whole clips: leave --by out.") }
        }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(html, "--html")
            try OutputPath.requireFile(film, "--film")
            let (file, selection) = try collection.open()
            let record = selection.extraction.record
            var shown: [[Float]] = []
            if !videos.isEmpty || !images.isEmpty {
                let pictures = try PictureEncoder(record, weights: weights)
                shown = try (videos + images).map(pictures.encode)
            }
            // Pictures alone need no words, and no text tower.
            let model =
                phrases.isEmpty && unwanted.isEmpty
                ? nil : try TextModel(record, weights: text, vocabulary: vocabulary)
            for phrase in phrases + unwanted where model?.encoder.isTooLong(phrase) == true {
                Console.message("note: the end of \"\(phrase)\" is left out: the model reads no longer phrases")
            }
            let (wanted, others) = (
                try model?.encoder.encode(phrases) ?? [], try model?.encoder.encode(unwanted) ?? []
            )
            // For plain SQL; a cache that cannot be written answers all the same.
            try? file.store(
                phrases: Array(zip(phrases + unwanted, wanted + others)), extraction: selection.extraction.id)
            let question = Question(wanted: wanted + shown, unwanted: others)
            let search = PhraseSearch(
                file, dataset: selection.dataset, extraction: selection.extraction, calibration: model?.calibration,
                mapped: try mapped(file, selection.extraction))
            let matches =
                by == .clip
                ? try search.clips(question, where: condition, count: top)
                : try search.moments(question, where: condition, count: top)
            if format.json {
                Console.print(json: try JSONText.of(matches))
            } else {
                Console.print(lines: table(matches))
            }
            try show(matches, file, selection)
        }
    }

    /// The features mapped into memory, made now where they are wanted and are not there.
    private func mapped(
        _ cache: CacheFile, _ extraction: (id: Int64, record: ExtractionRecord)
    ) throws -> MappedFrames? {
        if let known = try MappedFrames.open(cache, extraction: extraction, in: PhraseSearch.mapFolder) { return known }
        guard map else { return nil }
        Interruption.install()
        Console.message("mapping \(extraction.record.name) into \(PhraseSearch.mapFolder)")
        guard
            let made = try MappedFrames.make(
                cache, extraction: extraction, in: PhraseSearch.mapFolder, isCancelled: { Interruption.isRequested })
        else { throw Console.interrupted }
        return made
    }

    /// The page and the film, where they are wanted.
    private func show(_ matches: [PhraseSearch.Match], _ cache: CacheFile, _ selection: CacheSelection) throws {
        if html == nil, film == nil { return }
        let folder = try collection.root ?? selection.root(cache)
        let moments = matches.map { match in
            Moment(
                path: match.path, label: match.label, start: match.start, end: match.end, score: match.score,
                probability: match.probability)
        }
        if let html {
            let record = selection.extraction.record
            let report = SearchReport(
                question: phrases + videos + images, unwanted: unwanted,
                collection: "\(selection.dataset), by \(record.backbone)"
                    + (condition.map { ", where \($0)" } ?? ""), moments: moments, root: folder)
            _ = try report.write(html: html)
            Console.message("Page: " + html)
        }
        guard let film else { return }
        guard let folder else {
            return Console.message("note: there is no film: name the folder of the videos with --root")
        }
        Interruption.install()
        do {
            let summary = try MomentFilm(root: folder).write(
                moments, to: film, isCancelled: { Interruption.isRequested })
            for failure in summary.failures { Console.message("failed: \(failure.path): \(failure.error)") }
            Console.message(summary.joined == 0 ? "note: there is no film: nothing was found" : "Film: " + film)
            if !summary.failures.isEmpty { throw Console.someFailed }
        } catch is MomentFilm.Cancelled {
            throw Console.interrupted
        }
    }

    private func table(_ matches: [PhraseSearch.Match]) -> String {
        var table = TextTable([
            ("clip", .left), ("class", .left), (by == .clip ? "best at" : "from", .right),
            (by == .clip ? "" : "to", .right), ("score", .right), ("probability", .right),
        ])
        for match in matches {
            let times = by == .clip ? [match.time, nil] : [match.start, match.end]
            table.append(
                [match.path, match.label] + times.map { $0.map { decimal($0, 2) + " s" } ?? "" } + [
                    decimal(Double(match.score), 3), match.probability.map { percent(Double($0)) } ?? "–",
                ])
        }
        return table.text
    }
}

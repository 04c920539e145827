import ArgumentParser
import Backbones
import Foundation
import Pipelines
import Reports
import Video

/// What a published network says by itself.
struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a published network's own classifier says of videos, without training anything.")

    @Argument(help: "Video files, or folders of images.")
    var videos: [String]

    @Option(help: "The network, such as resnet50.")
    var backbone: String

    @Option(help: "Its weight file, as published: the classifier is in it.")
    var weights: String

    @Option(help: "Frames that are looked at, spread evenly.")
    var frames = 16

    @Option(help: "Classes to list.")
    var top = 5

    @Option(help: ArgumentHelp("Names of the classes, one a line (default: ImageNet's).", valueName: "file"))
    var labels: String?

    @Flag(help: "List each frame too.")
    var moments = false

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws {
        if videos.isEmpty { throw ValidationError("Name at least one video.") }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if frames < 1 { throw ValidationError("--frames must be at least 1.") }
        if Backbone.named(backbone) == nil {
            throw ValidationError("--backbone knows no '\(backbone)'; `zoetrope describe` lists them.")
        }
    }

    func run() throws {
        try Console.perform {
            guard let backbone = Backbone.named(backbone) else { return }
            let names = try labels.map { path in
                try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
            }
            let classifier = try Classifier(
                backbone, weights: weights, sampling: .uniform(frames: frames), labels: names)
            for note in classifier.notes { Console.message("note: " + note) }
            var results: [Classifier.Result] = []
            for video in videos {
                do {
                    let result = try classifier.classify(video, top: top)
                    results.append(result)
                    if !json { print(text(result)) }
                } catch let error as VideoError {
                    Console.message("failed: " + error.localizedDescription)
                }
            }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(results), as: UTF8.self))
            }
            if results.isEmpty { throw ExitCode(1) }
            if results.count < videos.count { throw Console.someFailed }
        }
    }

    private func text(_ result: Classifier.Result) -> String {
        var table = TextTable([("class", .left), ("probability", .right)])
        for entry in result.classes { table.append([entry.label, percent(entry.probability)]) }
        var text = "\(result.video) (\(result.moments.count) frames)\n\(table.text)"
        if moments {
            var times = TextTable([("at", .right), ("class", .left), ("probability", .right)])
            for moment in result.moments {
                guard let first = moment.classes.first else { continue }
                times.append([decimal(moment.time, 2) + " s", first.label, percent(first.probability)])
            }
            text += "\n\n\(times.text)"
        }
        return text
    }
}

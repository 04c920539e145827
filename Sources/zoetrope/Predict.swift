import ArgumentParser
import Foundation
import Pipelines
import Reports
import SequenceModels
import Video

/// Applies a run to new videos.
struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Class probabilities of new videos, most probable first.",
        discussion: "Needs the run's folder and the backbone's weights; not the cache.")

    @Argument(help: ArgumentHelp("A run's folder, such as runs/demo-gru.", valueName: "run"))
    var directory: String

    @Argument(help: "Video files, or folders of images.")
    var videos: [String]

    @Option(help: "The backbone's weight file, where it is not where the run left it.")
    var weights: String?

    @Option(help: "Classes to list for each video.")
    var top = 5

    @Flag(help: "Print JSON, all classes.")
    var json = false

    func validate() throws {
        if videos.isEmpty { throw ValidationError("Name at least one video.") }
        if top < 1 { throw ValidationError("--top must be at least 1.") }
    }

    func run() throws {
        try Console.perform {
            let predictor = try Predictor(RunDirectory(path: directory), weights: weights)
            for warning in predictor.warnings { Console.message("note: " + warning) }
            var failed = 0
            var results: [Prediction] = []
            for video in videos {
                do {
                    let prediction = try predictor.predict(video)
                    if json { results.append(prediction) } else { print(text(prediction)) }
                } catch let error as VideoError {
                    Console.message("failed: " + error.localizedDescription)
                    failed += 1
                }
            }
            if json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(results), as: UTF8.self))
            }
            if failed == videos.count { throw ExitCode(1) }
            if failed > 0 { throw Console.someFailed }
        }
    }

    private func text(_ prediction: Prediction) -> String {
        var table = TextTable([("class", .left), ("probability", .right)])
        for entry in prediction.classes.prefix(top) { table.append([entry.label, percent(entry.probability)]) }
        return "\(prediction.video) (\(prediction.frames) frames)\n\(table.text)"
    }
}

import ArgumentParser
import Extraction
import Files
import Foundation
import Reports
import SequenceModels
import Video
import Workflows

struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict the classes or labels of new videos, or of sliding windows over time with --windows.",
        discussion: """
            Needs the run's folder and the backbone's weights; not the cache. --windows slides the window that the \
            run was trained on over videos of any length, at the frame rate of the training clips.
            """)

    @OptionGroup var trained: RunArgument

    @Argument(help: "Video files, or folders of images.") var videos: [String]

    @OptionGroup var backbone: WeightsOption

    @Option(
        help: ArgumentHelp(
            "Classes to list for each video (default: 5; of several labels a clip, those at or above their "
                + "thresholds)."))
    var top: Int?

    @Flag(help: "Print JSON, all classes.") var json = false

    @Option(help: ArgumentHelp("Write an animated GIF of the sampled frames with the prediction.", valueName: "file"))
    var gif: String?

    @Option(
        name: .customLong("video"),
        help: ArgumentHelp("Write the whole video as MP4 with the prediction drawn on it.", valueName: "file"))
    var labelledVideo: String?

    @Flag(help: "Average the probabilities of all fold models of a cross-validated run.") var ensemble = false

    @OptionGroup var window: WindowOptions

    func validate() throws {
        if let top, top < 1 { throw ValidationError("--top must be at least 1.") }
        if ensemble, window.slides { throw ValidationError("--ensemble is for whole videos, without --windows.") }
        if videos.count > 1, gif != nil || labelledVideo != nil || window.strip != nil {
            throw ValidationError("--gif, --video and --strip are for one video at a time.")
        }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(gif, "--gif")
            try OutputPath.requireFile(labelledVideo, "--video")
            try OutputPath.requireFile(window.csv, "--csv")
            try OutputPath.requireFile(window.strip, "--strip")
            // Only cancellable work may handle Ctrl-C.
            if window.slides || gif != nil || labelledVideo != nil { Interruption.install() }
            let outputs: [Output]
            if window.slides {
                outputs = try WindowedOutput.run(self)
            } else {
                let predictor = try Predictor(trained.directory, weights: backbone.path, isEnsemble: ensemble)
                for warning in predictor.warnings { Console.message("note: " + warning) }
                outputs = try each { video in
                    let prediction = try predictor.predict(video)
                    let caption =
                        prediction.labels.map { labels in Caption.labels(labels.map { ($0.label, $0.probability) }) }
                        ?? (prediction.classes[0].label, prediction.classes[0].probability, nil)
                    try draw(video, predictor.request(for: video)) { _ in caption }
                    return Output(text: text(prediction), document: prediction)
                }
            }
            if json {
                let documents = outputs.map { AnyDocument(document: $0.document) }
                Console.print(json: try JSONText.of(documents, keys: .convertToSnakeCase))
            }
            try Console.exit(after: outputs.count, of: videos.count)
        }
    }

    struct Output {
        let text: TerminalText
        let document: any Encodable
    }

    /// Continues after a video that fails, and reports it.
    func each(_ work: (String) throws -> Output) throws -> [Output] {
        try videos.compactMap { video in
            try Console.attempt {
                if (try? FileContent.of(video)) == .image {
                    Console.message(
                        "note: \(video) is a single image, so the prediction is that of one frame. Name a video, or a "
                            + "folder of images.")
                }
                let output = try work(video)
                if !json { Console.print(output.text) }
                return output
            }
        }
    }

    func draw(_ video: String, _ request: SampleRequest, caption: @escaping LabelledVideo.Caption) throws {
        guard gif != nil || labelledVideo != nil else { return }
        try Console.interruptible { isCancelled in
            let labelled = try LabelledVideo(video, isCancelled: isCancelled, caption: caption)
            if let gif {
                try labelled.write(gif: gif, request)
                Console.message("GIF: " + gif)
            }
            if let labelledVideo {
                try labelled.write(video: labelledVideo)
                Console.message("Video: " + labelledVideo)
            }
        }
    }

    private struct AnyDocument: Encodable {
        let document: any Encodable
        func encode(to encoder: any Encoder) throws { try document.encode(to: encoder) }
    }

    private func text(_ prediction: Prediction) -> TerminalText {
        let unit = prediction.frames == 1 ? String(prediction.unit.dropLast()) : prediction.unit
        return "\(prediction.video) (\(prediction.frames) \(unit))\n\(lines: table(prediction))"
    }

    /// The most probable classes; of several labels a clip, those that are predicted, or the most probable ones.
    private func table(_ prediction: Prediction) -> String {
        guard let labels = prediction.labels else {
            return TextTable(
                [("class", .left), ("probability", .right)],
                rows: prediction.classes.prefix(top ?? 5).map { [$0.label, percent($0.probability)] }
            ).text
        }
        let shown = top.map { Array(prediction.classes.prefix($0)) } ?? labels
        if shown.isEmpty {
            let most = prediction.classes.first.map {
                "; the most probable is \($0.label) with \(percent($0.probability))"
            }
            return "no label at or above its threshold" + (most ?? "")
        }
        return TextTable(
            [("label", .left), ("probability", .right), ("threshold", .right), ("", .left)],
            rows: shown.map { entry in
                [
                    entry.label, percent(entry.probability), entry.threshold.map(percent) ?? "–",
                    entry.predicted == true ? "" : "below",
                ]
            }
        ).text
    }
}

struct WindowOptions: ParsableArguments {
    @Flag(name: .customLong("windows"), help: "Slide the trained window over the video and print the class over time.")
    var slides = false

    @Option(help: "With --windows: average the probabilities of N windows around each frame.") var rolling = 1

    @Option(help: "With --windows: frames per second (default: that of the training clips).") var frameRate: Double?

    @Option(
        help: ArgumentHelp(
            "With --windows: write the probabilities of all classes as CSV, one line per frame.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("With --windows: draw the predicted class over time, as SVG or PNG.", valueName: "file"))
    var strip: String?

    func validate() throws {
        if rolling < 1 { throw ValidationError("--rolling must be at least 1.") }
        if let frameRate, !(frameRate > 0 && frameRate.isFinite) {
            throw ValidationError("--frame-rate must be above 0.")
        }
        if !slides, rolling > 1 || frameRate != nil || csv != nil || strip != nil {
            throw ValidationError("--rolling, --frame-rate, --csv and --strip need --windows.")
        }
        if let strip, ![".svg", ".png"].contains(where: strip.lowercased().hasSuffix) {
            throw ValidationError("--strip names a file that ends in .svg or .png, not '\(strip)'.")
        }
    }
}

/// `predict --windows`.
enum WindowedOutput {
    private struct Document: Encodable {
        let video: String
        let window: Int
        let frameRate: Double
        let segments: [Timeline.Segment]
    }

    static func run(_ command: Predict) throws -> [Predict.Output] {
        let options = command.window
        var predictor = try WindowPredictor(
            command.trained.directory, weights: command.backbone.path, frameRate: options.frameRate)
        predictor.rolling = options.rolling
        for warning in predictor.warnings { Console.message("note: " + warning) }
        var table = ""
        let outputs = try command.each { video in
            let prediction = try predict(predictor, video)
            let timeline = prediction.timeline
            if options.csv != nil { table += timeline.csv(video: video, includesHeader: table.isEmpty) }
            if let strip = options.strip {
                do {
                    try timeline.write(strip: strip)
                    Console.message("Strip: " + strip)
                } catch let error as GnuplotError {
                    Console.message("note: no strip was written. " + error.localizedDescription)
                }
            }
            let request = SampleRequest(
                .rate(framesPerSecond: prediction.frameRate, frames: Sampling.unlimited), framing: .full)
            try command.draw(video, request, caption: timeline.caption)
            let document = Document(
                video: video, window: prediction.window, frameRate: prediction.frameRate, segments: timeline.segments)
            return Predict.Output(text: text(prediction), document: document)
        }
        if let path = options.csv, !table.isEmpty {
            try table.write(toFile: path, atomically: true, encoding: .utf8)
            Console.message("Table: " + path)
        }
        return outputs
    }

    private static func predict(_ predictor: WindowPredictor, _ video: String) throws -> WindowedPrediction {
        let line = ProgressLine()
        defer { line.clear() }
        return try Console.interruptible { isCancelled in
            try predictor.predict(video, isCancelled: isCancelled) { seconds, duration in
                line.show("\(ProgressLine.clock(seconds)) of \(ProgressLine.clock(duration))")
            }
        }
    }

    private static func text(_ prediction: WindowedPrediction) -> TerminalText {
        let frames = prediction.timeline.times.count
        let window =
            prediction.unit == "frames" ? "windows of \(prediction.window)" : "one window of \(prediction.window)"
        let short = prediction.isShort ? "; the video is shorter than the window that the run was trained on" : ""
        return """
            \(prediction.video) (\(grouped(frames)) \(prediction.unit) at \(decimal(prediction.frameRate, 2)) per \
            second, \(window)\(short))
            \(lines: prediction.timeline.segmentTable)
            """
    }
}

import ArgumentParser
import Extraction
import Foundation
import Workflows
import Reports
import SequenceModels
import Video

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
            try command.draw(video, request, caption: timeline.entry)
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

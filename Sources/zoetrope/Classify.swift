import ArgumentParser
import Backbones
import Escaping
import Files
import Foundation
import PipelineFile
import Workflows
import Reports
import Video

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Classify videos with a published backbone's own classifier, without training.")

    @Argument(help: "Video files, or folders of images.") var videos: [String]

    @Option(help: "The backbone, such as resnet50 or r2plus1d_18.") var backbone: String

    @Option(help: "Its published weight file, which includes the classifier.") var weights: String

    @Option(help: "Part of a weight file with several models, such as `teacher`.") var part: String?

    @Option(help: "Number of frames sampled uniformly (default: 16); for video encoders, frames per window.")
    var frames: Int?

    @Option(help: "For video encoders: frames per second (default: 15).") var frameRate: Double?

    @Option(help: "For video encoders: stride between windows in frames (default: the window's length).")
    var stride: Int?

    @Option(
        help: ArgumentHelp(
            "Whose padding, pooling and activations the backbone follows, such as timm or keras (default: from the "
                + "weights).", valueName: "publisher")) var numerics: String?

    @Option(
        help: ArgumentHelp(
            "Input normalisation: imagenet, symmetric, clip, caffe, kinetics, or '{mean: [r, g, b], deviation: [r, g, "
                + "b]}' (default: from the weights).", valueName: "convention")) var input: String?

    @Option(
        help: ArgumentHelp(
            "Resize filter: antialias, bilinear or bicubic (default: the backbone's).", valueName: "filter"))
    var resize: String?

    @Option(help: "Number of classes to list.") var top = 5

    @Option(
        help: ArgumentHelp(
            "A text file with one class name per line (default: ImageNet's, or Kinetics').", valueName: "file"))
    var labels: String?

    @Flag(help: "Also list the prediction of each frame or window.") var moments = false

    @OptionGroup var format: JSONOption

    func validate() throws {
        if top < 1 { throw ValidationError("--top must be at least 1.") }
        if (frames ?? 1) < 1 { throw ValidationError("--frames must be at least 1.") }
        if (stride ?? 1) < 1 { throw ValidationError("--stride must be at least 1.") }
        if let frameRate, !(frameRate > 0 && frameRate <= 1000) {
            throw ValidationError("--frame-rate must be above 0, at most 1000.")
        }
        guard let network = Backbone.named(backbone) else {
            throw ValidationError("There is no backbone '\(backbone)'; `zoetrope describe` lists them.")
        }
        if network.clip == nil, frameRate != nil || stride != nil {
            throw ValidationError("\(backbone) is an image encoder: --frame-rate and --stride do not apply to it.")
        }
        if let clip = network.clip, let frames, frames < clip.minimum {
            throw ValidationError("\(backbone) needs windows of at least \(clip.minimum) frames.")
        }
        _ = try options(network)
    }

    /// The options that override properties of weights and network.
    private func options(_ network: Backbone) throws -> Classifier.Options {
        var options = Classifier.Options()
        options.part = part
        if let numerics {
            let known = network.numerics.map(\.rawValue)
            guard known.contains(numerics) else {
                throw ValidationError(
                    "--numerics of \(network.name) can be \(known.joined(separator: ", ")), not '\(numerics)'.")
            }
            options.numerics = Numerics(rawValue: numerics)
        }
        if let resize {
            guard let filter = ResizeFilter(rawValue: resize) else {
                let known = ResizeFilter.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--resize can be \(known), not '\(resize)'.")
            }
            options.resize = filter
        }
        if let input {
            options.input = try? Pipeline.inputConvention(input, option: "--input")
            guard options.input != nil else {
                let known = InputConvention.named.keys.sorted().joined(separator: ", ")
                throw ValidationError(
                    "--input can be \(known), or '{mean: [r, g, b], deviation: [r, g, b]}', not '\(input)'.")
            }
        }
        return options
    }

    /// Evenly spaced frames, or consecutive windows.
    private func sampling(_ backbone: Backbone) -> Sampling {
        guard let clip = backbone.clip else { return .uniform(frames: frames ?? 16) }
        let length = frames ?? clip.native
        return .windows(
            WindowSampling(
                length: length, stride: stride ?? length, framesPerSecond: frameRate ?? 15, windows: Sampling.unlimited)
        )
    }

    func run() throws {
        try Console.perform {
            guard let backbone = Backbone.named(backbone) else { return }
            let names = try labels.map { path in
                try RegularFile.text(path, limit: 16 << 20).splitBytes("\n").map(String.init)
            }
            let classifier = try Classifier(
                backbone, weights: weights, sampling: sampling(backbone), labels: names, options: options(backbone))
            for note in classifier.notes { Console.message("note: " + note) }
            let results = try videos.compactMap { video in
                try Console.attempt {
                    let result = try classifier.classify(video, top: top)
                    if !format.json { Console.print(text(result)) }
                    return result
                }
            }
            if format.json { Console.print(json: try JSONText.of(results)) }
            try Console.exit(after: results.count, of: videos.count)
        }
    }

    private func text(_ result: Classifier.Result) -> TerminalText {
        let table = TextTable(
            [("class", .left), ("probability", .right)],
            rows: result.classes.map { [$0.label, percent($0.probability)] })
        let seen = Backbone.named(backbone)?.clip == nil ? "frames" : "windows"
        let text: TerminalText = "\(result.video) (\(result.moments.count) \(seen))\n\(lines: table.text)"
        guard moments else { return text }
        let times = TextTable(
            [("at", .right), ("class", .left), ("probability", .right)],
            rows: result.moments.compactMap { moment in
                moment.classes.first.map { [decimal(moment.time, 2) + " s", $0.label, percent($0.probability)] }
            })
        return text + "\n\n\(lines: times.text)"
    }
}

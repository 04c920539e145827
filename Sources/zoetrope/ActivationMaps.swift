import ArgumentParser
import Escaping
import Files
import Foundation
import Workflows
import Reports
import SequenceModels
import Video

struct ActivationMaps: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cam",
        abstract: "Draw class-activation maps (Grad-CAM): which regions of the frames support a class.",
        discussion: """
            Writes for each video a contact sheet (PNG) of uniformly sampled frames, and an animated GIF of all \
            frames that \
            the run uses. Maps are Grad-CAM of the head's score at the CNN's last feature maps; if the head is \
            linear in the pooled features, this equals CAM with the head's weights. With several labels a clip, \
            the maps are of one label.
            """)

    @OptionGroup var trained: RunArgument

    @Argument(help: "Video files, or folders of images.") var videos: [String]

    @Option(help: "Folder for the images.") var output = "cam"

    @Option(help: "Number of frames on the contact sheet.") var frames = 5

    @Option(
        name: [.customLong("class"), .customLong("label")],
        help: "The class or label to explain (default: the most probable one).") var label: String?

    @OptionGroup var backbone: WeightsOption

    func validate() throws {
        if frames < 1 { throw ValidationError("--frames must be at least 1.") }
    }

    func run() throws {
        try Console.perform {
            try OutputPath.requireFolder(output, "--output")
            let mapper = try ClassActivationMapper(trained.directory, weights: backbone.path)
            for warning in mapper.warnings { Console.message("note: " + warning) }
            try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
            let textRenderer = TextRenderer()
            var names: Set<String> = []
            let done = try videos.compactMap { video in
                try Console.attempt {
                    let activation = try mapper.map(video, label: label)
                    let name = freeName(video, &names)
                    try activation.spread(frames).sheet(textRenderer).write(to: name + ".png")
                    try GIFWriter.write(
                        activation.animation(textRenderer), frameRate: activation.frameRate, to: name + ".gif")
                    Console.print(
                        "\(video): \(activation.title(separator: " "))\n  \(name).png\n  \(name).gif")
                    return name
                }
            }
            try Console.exit(after: done.count, of: videos.count)
        }
    }

    /// Makes names unique, so that videos of one name in several folders do not overwrite each other's images.
    private func freeName(_ video: String, _ taken: inout Set<String>) -> String {
        let file = URL(fileURLWithPath: video).deletingPathExtension().lastPathComponent
        let own = Escaping.canNameFile(file) ? file : "clip"
        var name = own
        var number = 1
        while !taken.insert(name).inserted {
            number += 1
            name = "\(own)-\(number)"
        }
        return output + "/" + name
    }
}

import ArgumentParser
import Files
import Foundation
import ONNX
import Workflows
import SequenceModels

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Export a run as one ONNX file: frames in, probabilities out.",
        discussion: """
            The model takes frames `uint8 [batch, frames, height, width, 3]`, cropped and resized, and a mask \
            `bool [batch, frames]`; it returns probabilities `[batch, classes]`. Labels, recipe, digests and the \
            licence of the \
            weights are in its metadata. Weights of more than two gigabytes go into a second file beside it, FILE.data.
            """)

    @OptionGroup var trained: RunArgument

    @Argument(help: ArgumentHelp("The ONNX file to write.", valueName: "file")) var path: String

    @Option(help: "all: frames to probabilities; backbone: frames to features; head: features to probabilities.")
    var part = NetworkWriter.Part.all

    @Option(help: "Element type of the weights: f32, or f16 at half the size.")
    var precision = ModelWriter.WeightFormat.f32

    @OptionGroup var backbone: WeightsOption

    func run() throws {
        try Console.perform {
            try OutputPath.requireFile(path, "The ONNX file")
            let export = try ModelExport(trained.directory, weights: backbone.path)
            var options = ModelExport.Options(version: ZoetropeCommand.version)
            (options.part, options.weights) = (part, precision)
            let files = try export.write(to: path, options)
            for note in export.notes { Console.message("note: " + note) }
            for file in files { Console.print("\(file.path): \(String(format: "%.1f", Double(file.bytes) / 1e6)) MB") }
        }
    }
}

extension NetworkWriter.Part: ExpressibleByArgument {}
extension ModelWriter.WeightFormat: ExpressibleByArgument {}

import ArgumentParser
import Backbones
import Foundation
import NeuralNetwork
import Reports

/// Weight files.
struct Weights: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look into weight files, and convert them.", subcommands: [Inspect.self, Convert.self])

    /// What is in a file.
    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Format, tensors and shapes of a weight file, and the backbone it fits.")

        @Argument(help: "A weight file: .pth, .pt, .h5 or .safetensors, known by its content.")
        var file: String

        func run() throws {
            try Console.perform {
                let checkpoint = try openWeights(path: file)
                var table = TextTable([("tensor", .left), ("shape", .left), ("numbers", .right)])
                let shapes = checkpoint.shapes.sorted { $0.key.compare($1.key, options: .numeric) == .orderedAscending }
                for (name, shape) in shapes {
                    let size = shape.map(String.init).joined(separator: "×")
                    table.append([name, size.isEmpty ? "–" : size, grouped(shape.reduce(1, *))])
                }
                let count = shapes.reduce(0) { $0 + $1.value.reduce(1, *) }
                print(table.text)
                print("\n\(file): \(checkpoint.format), \(grouped(shapes.count)) tensors, \(grouped(count)) numbers")
                if let backbone = Backbone.looking(like: checkpoint.shapes) {
                    print("This looks like \(backbone.name).")
                } else {
                    print("It fits none of the backbones that `zoetrope describe` lists.")
                }
            }
        }
    }

    /// Any format → `.safetensors`.
    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Write a weight file as .safetensors, in float32.")

        @Argument(help: "A weight file in any format.")
        var file: String

        @Argument(help: "The file to write.")
        var output: String

        func validate() throws {
            guard output.hasSuffix(".safetensors") else {
                throw ValidationError("The file to write must end in .safetensors, not '\(output)'.")
            }
        }

        func run() throws {
            try Console.perform {
                let checkpoint = try openWeights(path: file)
                try SafeTensorsWriter.convert(checkpoint, to: output)
                print("\(output): \(grouped(checkpoint.shapes.count)) tensors from \(checkpoint.format)")
            }
        }
    }
}

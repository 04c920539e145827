import ArgumentParser
import Backbones
import Extraction
import Files
import Foundation
import PipelineFile
import NeuralNetwork
import Reports

struct Weights: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, fetch, inspect and convert weight files.",
        subcommands: [List.self, Fetch.self, Inspect.self, Convert.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List published weight files: size, source, checksum, licence, published accuracy on ImageNet or "
                + "Kinetics.")

        func run() throws {
            var table = TextTable([
                ("backbone", .left), ("file", .left), ("from", .left), ("MB", .right), ("checksum", .left),
                ("licence", .left), ("top-1", .left), ("input", .left),
            ])
            for weights in PublishedWeights.all {
                let checksum =
                    switch weights.checksum {
                    case .sha256(let digits): "sha256 \(digits.prefix(8))…"
                    case .md5(let digits): "md5 \(digits.prefix(8))…"
                    case .stated: "from the server"
                    }
                table.append([
                    weights.backbone, weights.file, weights.publisher.rawValue,
                    decimal(weights.megabytes, 1), checksum, weights.licence,
                    decimal(weights.top1, 1) + " %"
                        + (weights.measure == .classifier ? "" : " " + weights.measure.rawValue), input(weights),
                ])
            }
            Console.print(lines: table.text)
        }

        /// Side of the image and range of its values.
        private func input(_ weights: PublishedWeights) -> String {
            guard let backbone = Backbone.named(weights.backbone) else { return "" }
            let numerics = weights.arithmetic
            let convention = weights.input ?? backbone.inputConvention(numerics)
            let name = InputConvention.named.first { $0.value == convention }?.key ?? "own"
            let frames = backbone.clip.map { "\($0.native) × " } ?? ""
            return "\(frames)\(backbone.nativeImageSize)² \(name)"
        }
    }

    struct Fetch: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Download published weights, resume a broken download, and check size, format and digest.")

        @Argument(help: "A file that `weights list` names, or a backbone: then the most accurate of its files.")
        var name: String

        @Option(help: "Folder for the file.") var folder = "weights"

        @Option(help: "Fetch from this address instead of the publisher's. It may be an http address.")
        var mirror: String?

        func run() throws {
            guard let weights = PublishedWeights.named(name) else {
                let known = PublishedWeights.all.flatMap { [$0.file, $0.backbone] }
                let hint = nearest(to: name, among: known).map { " Did you mean \($0)?" }
                throw ValidationError("No published weights are called '\(name)'." + (hint ?? " See `weights list`."))
            }
            try Console.perform {
                try OutputPath.requireFolder(folder, "--folder")
                let address = mirror.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
                var fetcher = WeightsFetcher(mirror: address)
                fetcher.showsProgress = Console.isTerminal
                for weights in [weights, weights.companion].compactMap({ $0 }) {
                    let file = try fetcher.fetch(weights, to: folder)
                    report(file)
                }
            }
        }

        private func report(_ file: WeightsFetcher.Fetched) {
            if file.isReplaced { Console.print("\(file.path) existed, but its checksum was wrong. It was replaced.") }
            let state = file.wasThere ? "exists already" : "was fetched"
            if file.isChecked {
                Console.print("\(file.path) \(state), and its checksum is correct.")
            } else {
                Console.print(
                    "\(file.path) \(state). No digest of it is available, so only its size and format were checked. "
                        + "Its SHA-256 is \(file.digest ?? "unknown").")
            }
        }
    }

    struct Inspect: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the format, tensors and shapes of a weight file, and the backbone it fits.")

        @Argument(
            help: "A weight file: .pth, .pt, .h5, .keras or .safetensors. Its format is detected from its content.")
        var file: String

        @Option(help: "Part of a file with several models, such as `teacher`.") var part: String?

        func run() throws {
            try Console.perform {
                let resolved = try ResolvedWeights(path: file, part: part)
                let checkpoint = resolved.checkpoint
                var table = TextTable([("tensor", .left), ("shape", .left), ("numbers", .right)])
                let shapes = checkpoint.shapes.sorted { $0.key.compare($1.key, options: .numeric) == .orderedAscending }
                for (name, shape) in shapes {
                    let size = shape.map(String.init).joined(separator: "×")
                    table.append([name, size.isEmpty ? "–" : size, grouped(shape.reduce(1, *))])
                }
                let count = shapes.reduce(0) { $0 + $1.value.reduce(1, *) }
                Console.print(lines: table.text)
                Console.print(
                    "\n\(file): \(checkpoint.format), \(counted(shapes.count, "tensor")), \(counted(count, "element"))")
                let damaged = try shapes.map(\.key).filter {
                    try checkpoint.tensor(named: $0)?.values.areFinite == false
                }
                if !damaged.isEmpty {
                    Console.print(
                        "\(counted(damaged.count, "tensor")) with NaN or infinity: "
                            + "\(damaged.prefix(5).joined(separator: ", "))")
                }
                if let backbone = Backbone.looking(like: checkpoint.shapes) {
                    let place = resolved.part.map { $0.isEmpty ? " at the top level" : " in the part \($0)" } ?? ""
                    Console.print("This looks like \(backbone.name)\(place).")
                    try tell(backbone)
                } else {
                    for note in checkpoint.notes { Console.message("note: \(file): \(note)") }
                    Console.print("It fits no backbone that `zoetrope describe` lists.")
                }
            }
        }

        /// Prints how `extract` interprets the weights, and what the file leaves open.
        private func tell(_ backbone: Backbone) throws {
            let weights = try LoadedWeights(.file(file, part: part), for: backbone)
            let convention = WeightsConvention(backbone, weights.traits)
            Console.print(
                "`extract` uses it with `numerics: \(convention.numerics.rawValue)` and `input: "
                    + "\(convention.input.text)`.")
            let configuration = ExtractionConfiguration(
                backbone: backbone, weights: .file(file, part: part), tap: "pooled",
                imageSize: backbone.nativeImageSize, sampling: .first(frames: 1))
            for note in configuration.notes(on: weights) { Console.message("note: " + note) }
        }
    }

    struct Convert: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Convert a weight file to .safetensors, in float32.")

        @Argument(help: "A weight file in any format.") var file: String

        @Argument(help: "The file to write.") var output: String

        @Option(help: "Part of a file with several models, such as `teacher`.") var part: String?

        func validate() throws {
            guard output.hasSuffix(".safetensors") else {
                throw ValidationError("The file to write must end in .safetensors, not '\(output)'.")
            }
        }

        func run() throws {
            try Console.perform {
                try OutputPath.requireFile(output, "The file to write")
                let checkpoint = try ResolvedWeights(path: file, part: part).checkpoint
                for note in checkpoint.notes { Console.message("note: \(file): \(note)") }
                try SafeTensorsWriter.convert(
                    checkpoint, metadata: LoadedWeights(.file(file, part: part), for: nil).traits.metadata, to: output)
                Console.print("\(output): \(counted(checkpoint.shapes.count, "tensor")) from \(checkpoint.format)")
            }
        }
    }
}

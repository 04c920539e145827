import ArgumentParser
import Backbones
import ONNX
import PipelineFile
import Reports
import SequenceModels

struct Describe: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Show the layers of a backbone: shapes, parameters, multiply-adds; without a name, list all backbones.")

    @Argument(help: "A backbone, such as resnet152, or an ONNX file.") var backbone: String?

    @Option(help: "Image size in pixels (default: the backbone's).") var imageSize: Int?

    @Option(help: "Frames per window, for video encoders (default: the backbone's).") var frames: Int?

    @Flag(help: "List the heads and their options instead.") var heads = false

    func run() throws {
        if heads { return Console.print(lines: Self.headTable) }
        guard let name = backbone else { return Console.print(lines: Self.overview) }
        if name.hasSuffix(".onnx") { return try Console.perform { try describe(model: name) } }
        guard let backbone = Backbone.named(name) else {
            let hint = nearest(to: name, among: Backbone.all.map(\.name)).map { " Did you mean \($0)?" }
            throw ValidationError("There is no backbone '\(name)'." + (hint ?? " `zoetrope describe` lists them."))
        }
        let size = imageSize ?? backbone.nativeImageSize
        guard backbone.accepts(imageSize: size) else {
            throw ValidationError(
                "--image-size of \(name) must be from \(backbone.minimumImageSize) to 4096"
                    + (backbone.patch > 1 ? " in steps of \(backbone.patch)" : "") + ", not \(size).")
        }
        if let frames, frames < backbone.clip?.minimum ?? .max || frames > 1024 {
            throw ValidationError(
                backbone.clip.map { "--frames of \(name) must be from \($0.minimum) to 1024, not \(frames)." }
                    ?? "\(name) is an image encoder: --frames does not apply to it.")
        }
        let graph = backbone.graph(imageSize: size, frames: frames)
        Console.print("\(name): \(backbone.source)\n")
        Console.print(lines: graph.layerTable)
        let (parameters, adds) = (Double(graph.parameterCount) / 1e6, Double(graph.multiplyAdds) / 1e9)
        let window = backbone.clip.map { "\(frames ?? $0.native) frames of " } ?? ""
        Console.print(
            "\n\(decimal(parameters, 2)) M parameters, \(decimal(adds, 1)) G multiply-adds at \(window)\(size)×\(size)")
    }

    private func describe(model path: String) throws {
        let network = try ImportedNetwork(path: path)
        let backbone = try Backbone.imported(network)
        let size = imageSize ?? backbone.nativeImageSize
        guard backbone.accepts(imageSize: size) else {
            throw ValidationError("\(path) takes images of \(backbone.nativeImageSize) pixels, not \(size).")
        }
        let graph = try network.graph(imageSize: size)
        Console.print("\(path), \(size)×\(size)" + (network.imageSize == nil ? ", other sizes too" : "") + "\n")
        let table = TextTable(
            [("tap", .left), ("shape", .right), ("", .left)],
            rows: backbone.taps.map { tap in
                guard let node = graph.outputs[tap] else { return [tap, "–", "output; unavailable"] }
                return [tap, "\(graph.nodes[node.index].shape)", network.outputs.contains(tap) ? "output" : ""]
            })
        Console.print(lines: table.text)
        for output in network.outputs where graph.outputs[output] == nil {
            do {
                try network.check(output: output, imageSize: size)
            } catch {
                Console.message("note: " + error.localizedDescription)
            }
        }
        if network.inputConvention == nil {
            Console.message("note: the file does not state its input normalisation; set `extract.input`")
        }
    }

    private static var headTable: String {
        TextTable(
            [("head", .left), ("reads", .left), ("options", .left), ("what it is", .left)],
            rows: HeadConfiguration.Kind.allCases.map {
                [$0.rawValue, $0.readsMaps ? "maps" : "vectors", $0.options.joined(separator: ", "), $0.summary]
            }
        ).text
    }

    private static var overview: String {
        var table = TextTable([
            ("backbone", .left), ("features", .right), ("size", .right), ("parameters", .right),
            ("multiply-adds", .right), ("after", .left),
        ])
        for backbone in Backbone.all {
            let graph = backbone.graph(imageSize: backbone.nativeImageSize)
            let features = (try? graph.featureShape(of: "pooled").reduce(1, *)) ?? 0
            table.append([
                backbone.name, "\(features)",
                (backbone.clip.map { "\($0.native)×" } ?? "") + "\(backbone.nativeImageSize)²",
                decimal(Double(graph.parameterCount) / 1e6, 2) + " M",
                decimal(Double(graph.multiplyAdds) / 1e9, 2) + " G", backbone.source,
            ])
        }
        return table.text
    }
}

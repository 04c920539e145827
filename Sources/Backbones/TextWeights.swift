import Foundation
import NeuralNetwork

/// A text tower of a publisher's file under the names of `TextTower`, with the similarity's scale and bias.
package struct TextWeights: ParameterSource {
    private let file: any Checkpoint
    /// For each parameter of the tower, the tensors that are concatenated along the first dimension.
    private let sources: [String: [String]]
    private let transposed: Set<String>
    package let isTransformers: Bool
    package let vocabularySize: Int
    /// Logit scale and bias: probabilities are computed from scale · cosine + bias.
    package let scale, bias: Float

    /// - Throws: `TextWeightsError.noTextTower` if the file has none; `WeightsError`.
    package init(_ file: any Checkpoint) throws {
        let shapes = Self.raw(file).shapes
        let hugging = Self.hugging(shapes)
        let found = hugging ?? Self.openCLIP(shapes)
        isTransformers = hugging != nil
        guard let found, let embedding = found.sources["text.token_embedding.weight"]?.first,
            let vocabulary = shapes[embedding]?.first
        else { throw TextWeightsError.noTextTower(file: file.path) }
        self.file = Self.raw(file)
        (sources, transposed, vocabularySize) = (found.sources, found.transposed, vocabulary)
        let logScale = try self.file.tensor(named: "logit_scale")?.values.first
        scale = logScale.map { Float(Double($0).exponential) } ?? 100
        bias = try self.file.tensor(named: "logit_bias")?.values.first ?? 0
    }

    /// The file under its publisher's names.
    private static func raw(_ file: any Checkpoint) -> any Checkpoint {
        if let renamed = file as? RenamedWeights { return raw(renamed.file) }
        return file
    }

    /// The tensor of a parameter. Throws `WeightsError`; `TextWeightsError.otherShape`.
    package func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        let parts = try (sources[parameter.name] ?? []).compactMap { try file.tensor(named: $0) }
        guard !parts.isEmpty, parts.count == sources[parameter.name]?.count else {
            throw TextWeightsError.missing(file: file.path, parameter: parameter.name)
        }
        var values = parts.flatMap(\.values)
        var shape = parts[0].shape
        guard parts.allSatisfy({ !$0.shape.isEmpty }) else {
            throw TextWeightsError.otherShape(
                file: file.path, parameter: parameter.name, found: [], wanted: parameter.shape)
        }
        if parts.count > 1 { shape[0] = parts.reduce(0) { $0 + $1.shape[0] } }
        if transposed.contains(parameter.name), shape.count == 2 {
            let (rows, columns) = (shape[0], shape[1])
            values = (0..<columns).flatMap { column in (0..<rows).map { parts[0].values[$0 * columns + column] } }
            shape = [columns, rows]
        }
        guard values.count == parameter.count, shape.last == parameter.shape.last else {
            throw TextWeightsError.otherShape(
                file: file.path, parameter: parameter.name, found: shape, wanted: parameter.shape)
        }
        let tensor = Tensor(shape: parameter.shape, values: values)
        if let reason = tensor.implausible {
            throw WeightsError.malformed(file: file.path, reason: "\(parameter.name) \(reason)")
        }
        return tensor
    }

    private typealias Found = (sources: [String: [String]], transposed: Set<String>)

    private static func hugging(_ shapes: [String: [Int]]) -> Found? {
        let prefixes = ["text_model.", "model.text_model.", ""]
        guard let prefix = prefixes.first(where: { shapes[$0 + "embeddings.token_embedding.weight"] != nil }) else {
            return nil
        }
        var sources = [
            "text.token_embedding.weight": [prefix + "embeddings.token_embedding.weight"],
            "text.pos_embed": [prefix + "embeddings.position_embedding.weight"],
        ]
        for leaf in ["weight", "bias"] {
            sources["text.norm." + leaf] = [prefix + "final_layer_norm." + leaf]
            let projection = shapes["text_projection." + leaf] != nil ? "text_projection." : prefix + "head."
            sources["text.head." + leaf] = [projection + leaf]
            for block in blocks(shapes, prefix + "encoder.layers.") {
                let (own, name) = ("text.blocks.\(block).", "\(prefix)encoder.layers.\(block).")
                sources[own + "attn.qkv." + leaf] = ["q", "k", "v"].map { "\(name)self_attn.\($0)_proj.\(leaf)" }
                for (to, from) in [
                    ("norm1", "layer_norm1"), ("norm2", "layer_norm2"), ("attn.proj", "self_attn.out_proj"),
                    ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2"),
                ] { sources["\(own)\(to).\(leaf)"] = ["\(name)\(from).\(leaf)"] }
            }
        }
        return (sources, [])
    }

    /// OpenAI's and open_clip's names.
    private static func openCLIP(_ shapes: [String: [Int]]) -> Found? {
        guard let prefix = ["", "text."].first(where: { shapes[$0 + "token_embedding.weight"] != nil }) else {
            return nil
        }
        var sources = [
            "text.token_embedding.weight": [prefix + "token_embedding.weight"],
            "text.pos_embed": [prefix + "positional_embedding"],
        ]
        var transposed: Set<String> = []
        if shapes[prefix + "text_projection"] != nil {
            sources["text.head.weight"] = [prefix + "text_projection"]
            transposed = ["text.head.weight"]
        }
        for leaf in ["weight", "bias"] {
            sources["text.norm." + leaf] = [prefix + "ln_final." + leaf]
            if shapes[prefix + "text_projection." + leaf] != nil {
                sources["text.head." + leaf] = [prefix + "text_projection." + leaf]
            }
            for block in blocks(shapes, prefix + "transformer.resblocks.") {
                let (own, name) = ("text.blocks.\(block).", "\(prefix)transformer.resblocks.\(block).")
                sources[own + "attn.qkv." + leaf] = [name + "attn.in_proj_" + leaf]
                for (to, from) in [
                    ("norm1", "ln_1"), ("norm2", "ln_2"), ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"),
                    ("mlp.fc2", "mlp.c_proj"),
                ] { sources["\(own)\(to).\(leaf)"] = ["\(name)\(from).\(leaf)"] }
            }
        }
        return (sources, transposed)
    }

    private static func blocks(_ shapes: [String: [Int]], _ prefix: String) -> Set<Int> {
        Set(
            shapes.keys.filter { $0.hasPrefix(prefix) }.compactMap {
                Int($0.dropFirst(prefix.count).prefix(while: \.isNumber))
            })
    }
}

enum TextWeightsError: LocalizedError, Equatable {
    case noTextTower(file: String), missing(file: String, parameter: String)
    case otherShape(file: String, parameter: String, found: [Int], wanted: [Int])

    var errorDescription: String? {
        switch self {
        case .noTextTower(let file):
            "\(file) holds no text tower: timm publishes only image towers. Name the file of OpenAI, open_clip or "
                + "transformers with --text."
        case .missing(let file, let parameter): "\(file) lacks \(parameter) of its text tower. Fetch it again."
        case .otherShape(let file, let parameter, let found, let wanted):
            "\(parameter) in \(file) is \(found), not \(wanted): it is the text tower of another model. Name the right "
                + "file with --text."
        }
    }
}

extension Double { fileprivate var exponential: Double { exp(self) } }

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
        scale = logScale.map { Float(exp(Double($0))) } ?? 100
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
            (shape, values) = (shape.reversed(), parts[0].transposed.values)
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
        var sources = sources(
            shapes, prefix, embedding: "embeddings.token_embedding.weight",
            positions: "embeddings.position_embedding.weight", norm: "final_layer_norm.", blocks: "encoder.layers.",
            attention: ["self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."],
            [
                "norm1": "layer_norm1", "norm2": "layer_norm2", "attn.proj": "self_attn.out_proj", "mlp.fc1": "mlp.fc1",
                "mlp.fc2": "mlp.fc2",
            ])
        for leaf in ["weight", "bias"] {
            let projection = shapes["text_projection." + leaf] != nil ? "text_projection." : prefix + "head."
            sources["text.head." + leaf] = [projection + leaf]
        }
        return (sources, [])
    }

    /// OpenAI's and open_clip's names.
    private static func openCLIP(_ shapes: [String: [Int]]) -> Found? {
        guard let prefix = ["", "text."].first(where: { shapes[$0 + "token_embedding.weight"] != nil }) else {
            return nil
        }
        var sources = sources(
            shapes, prefix, embedding: "token_embedding.weight", positions: "positional_embedding", norm: "ln_final.",
            blocks: "transformer.resblocks.", attention: ["attn.in_proj_"],
            [
                "norm1": "ln_1", "norm2": "ln_2", "attn.proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc",
                "mlp.fc2": "mlp.c_proj",
            ])
        for leaf in ["weight", "bias"] where shapes[prefix + "text_projection." + leaf] != nil {
            sources["text.head." + leaf] = [prefix + "text_projection." + leaf]
        }
        guard shapes[prefix + "text_projection"] != nil else { return (sources, []) }
        if sources["text.head.weight"] == nil { sources["text.head.weight"] = [prefix + "text_projection"] }
        return (sources, ["text.head.weight"])
    }

    /// The tensors of embeddings, blocks and the last normalisation; names end in a dot where a leaf follows.
    private static func sources(
        _ shapes: [String: [Int]], _ prefix: String, embedding: String, positions: String, norm: String, blocks: String,
        attention: [String], _ parts: [String: String]
    ) -> [String: [String]] {
        var sources = [
            "text.token_embedding.weight": [prefix + embedding], "text.pos_embed": [prefix + positions],
        ]
        for leaf in ["weight", "bias"] {
            sources["text.norm." + leaf] = [prefix + norm + leaf]
            for block in Self.blocks(shapes, prefix + blocks) {
                let (own, name) = ("text.blocks.\(block).", "\(prefix)\(blocks)\(block).")
                sources[own + "attn.qkv." + leaf] = attention.map { name + $0 + leaf }
                for (to, from) in parts { sources["\(own)\(to).\(leaf)"] = ["\(name)\(from).\(leaf)"] }
            }
        }
        return sources
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

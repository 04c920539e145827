import Files
import Foundation
import NeuralNetwork
import ONNX

/// What a weight file reveals about its network besides the tensors.
package struct WeightsTraits: Sendable, Equatable {
    /// The implementations that the weights may be for, the most likely first; empty if unknown.
    package let numerics: [Numerics]
    package let input: InputConvention?
    package internal(set) var names = TensorNames.settled
    /// Whether the file, or a configuration beside it, states the implementation; otherwise `numerics` starts with a
    /// guess.
    package internal(set) var statesNumerics = false
    /// Whether the file, or a configuration beside it, states the input; otherwise `input` is the usual one.
    package internal(set) var statesInput = false
    /// The resize filter of a hub configuration beside the file.
    package internal(set) var interpolation: Backbone.Interpolation?

    package static let unknown = WeightsTraits(numerics: [], input: nil)

    /// `numerics`: the implementations that the weights may be for; a single one counts as stated. `input`: the input
    /// normalisation, if it is stated.
    package init(numerics: [Numerics], input: InputConvention?) {
        (self.numerics, self.input) = (numerics, input)
        (statesNumerics, statesInput) = (numerics.count == 1, input != nil)
    }

    private init(guess numerics: [Numerics], input: InputConvention?, names: TensorNames) {
        (self.numerics, self.input, self.names) = (numerics, input, names)
        statesNumerics = names == .settled
        statesInput = names == .settled && input != nil
    }

    /// Derived from the file's format, names and notes, and from a hub configuration beside it.
    package init(of checkpoint: any Checkpoint) {
        switch checkpoint {
        case let keras as KerasWeights: self.init(numerics: [.keras], input: keras.inputConvention)
        case let network as ImportedNetwork:
            self.init(numerics: [.onnx], input: network.inputConvention)
        case let zipped as ZippedWeights: self.init(of: zipped.inner)
        default:
            let file = (checkpoint as? PrefixedWeights)?.file ?? checkpoint
            let noted = (file as? SafeTensorsFile).map { WeightsTraits(metadata: $0.metadata) } ?? .unknown
            let own = noted.numerics.isEmpty ? WeightsTraits(names: checkpoint) : noted
            let hub = HubConfiguration(beside: checkpoint.path)
            let told =
                own.numerics.isEmpty
                ? hub.numerics?.sorted { $0.rawValue < $1.rawValue } ?? [] : own.numerics.filter(hub.allows)
            self.init(
                guess: told.isEmpty ? own.numerics : told, input: noted.input ?? hub.input ?? own.input,
                names: own.names)
            statesNumerics = own.statesNumerics || hub.numerics != nil && !told.isEmpty
            statesInput = noted.input != nil || hub.input != nil || own.statesInput
            interpolation = hub.interpolation
        }
    }

    private init(names checkpoint: any Checkpoint) {
        switch checkpoint {
        case let renamed as RenamedWeights:
            self.init(guess: renamed.numerics, input: renamed.input, names: renamed.names)
        default: self.init(own: checkpoint.shapes)
        }
    }

    /// Derived from the graph's own names, which are torchvision's or timm's. timm's `tf_` networks have the same names
    /// but need TensorFlow's implementation; of EfficientNetV2 only such weights were published.
    private init(own shapes: [String: [Int]]) {
        // Only torchvision's InceptionV3 has an auxiliary classifier.
        let names: TensorNames = shapes["AuxLogits.fc.weight"] == nil ? .own : .settled
        if shapes["patch_embed.proj.weight"] != nil, shapes["decoder_embed.weight"] != nil {
            // A masked autoencoder with its decoder.
            self.init(guess: [], input: .imageNet, names: .settled)
        } else if shapes["conv_stem.weight"] != nil, shapes["blocks.0.0.conv.weight"] != nil {
            self.init(guess: [.keras, .timm], input: .symmetric, names: names)
        } else if shapes["conv_stem.weight"] != nil, shapes["conv_head.bias"] != nil {
            self.init(guess: [.timm, .keras], input: nil, names: names)
        } else if shapes["patch_embed.proj.weight"] != nil, shapes["attn_pool.latent"] != nil {
            // timm computes SigLIP with the exact GELU, transformers with the tanh approximation.
            self.init(guess: [.timm, .transformers], input: nil, names: names)
        } else {
            self.init(guess: [], input: nil, names: names)
        }
    }

    private init(metadata: [String: String]) {
        let input = metadata["input"].flatMap {
            JSONLimits.problem(Data($0.utf8)) == nil
                ? try? JSONDecoder().decode(InputConvention.self, from: Data($0.utf8)) : nil
        }
        let isUsable = input.map { $0.mean.count == 3 && $0.standardDeviation.count == 3 } ?? false
        let numerics = (metadata["numerics"] ?? "").split(separator: ",").compactMap { Numerics(rawValue: String($0)) }
        self.init(numerics: numerics, input: isUsable ? input : nil)
        names = metadata["names"].flatMap(TensorNames.init) ?? .settled
        let open = (metadata["open"] ?? "").split(separator: ",")
        statesNumerics = !numerics.isEmpty && !open.contains("numerics")
        statesInput = isUsable && !open.contains("input")
    }

    /// Completed with the table's facts about a published file.
    package func settled(by published: PublishedWeights?) -> WeightsTraits {
        guard let published, let backbone = Backbone.named(published.backbone) else { return self }
        var traits = self
        let convention = WeightsConvention(backbone, self)
        if published.arithmetic ?? backbone.numerics[0] == convention.numerics { traits.statesNumerics = true }
        if published.input ?? backbone.inputConvention(published.arithmetic) == convention.input {
            traits.statesInput = true
        }
        return traits
    }

    /// Metadata that `weights convert` writes so that this information is preserved.
    package var metadata: [String: String] {
        var result: [String: String] = [:]
        // An undetermined choice must stay open in the new file, which the graph's names alone may not express.
        let open = [statesNumerics ? nil : "numerics", statesInput ? nil : "input"].compactMap(\.self)
        if !numerics.isEmpty {
            result["numerics"] = (statesNumerics ? Array(numerics.prefix(1)) : numerics).map(\.rawValue)
                .joined(separator: ",")
        }
        if names != .settled, !open.isEmpty {
            (result["names"], result["open"]) = (names.rawValue, open.joined(separator: ","))
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        if let input, let json = try? encoder.encode(input) { result["input"] = String(decoding: json, as: UTF8.self) }
        return result
    }
}

/// Guesses which network a mismatched file belongs to.
package enum WeightsHint {
    /// A hint as a sentence, or nil. `expected`: the network's parameters. `found`: the file's tensors.
    package static func text(expected: [Graph.Parameter], found: [String: [Int]]) -> String? {
        let reach = overFrames(expected, found).map { " " + $0 } ?? ""
        if let backbone = Backbone.looking(like: found) { return "This looks like \(backbone.name).\(reach)" }
        if !reach.isEmpty { return String(reach.dropFirst()) }
        let isText = found.keys.contains { $0.hasSuffix("token_embedding.weight") }
        if isText, !found.keys.contains(where: { $0.contains("patch_embed") || $0.hasPrefix("visual.") }) {
            return "This is a text tower without its image tower: name the file that holds the image tower, or both."
        }
        return nil
    }

    /// Detects image-encoder weights for a video encoder, and the reverse.
    private static func overFrames(_ expected: [Graph.Parameter], _ found: [String: [Int]]) -> String? {
        let wanted = expected.contains { $0.shape.count == 5 }
        guard wanted != found.values.contains(where: { $0.count == 5 }), !found.isEmpty else { return nil }
        return wanted
            ? "It belongs to an image encoder; this backbone is a video encoder."
            : "It belongs to a video encoder; this backbone is an image encoder."
    }
}

import Files
import Foundation
import NeuralNetwork
import ONNX

/// What a weight file says of the network it is for, beyond the tensors.
public struct WeightsTraits: Sendable, Equatable {
    /// The arithmetics that the weights may be for, the most likely first; empty where the file does not say.
    public let numerics: [Numerics]
    /// What the network is fed; nil where the file does not say.
    public let input: InputConvention?
    /// Whose names the tensors have.
    public internal(set) var names = TensorNames.settled
    /// Whether the file, or what lies beside it, names the one arithmetic; otherwise the first of `numerics` is a guess.
    public internal(set) var statesNumerics = false
    /// Whether the file, or what lies beside it, gives the input; otherwise `input` is what such files usually are for.
    public internal(set) var statesInput = false
    /// The filter that a hub's configuration beside the file says images were resized with.
    public internal(set) var interpolation: Backbone.Interpolation?

    /// Nothing is known.
    public static let unknown = WeightsTraits(numerics: [], input: nil)

    /// - Parameters:
    ///   - numerics: the arithmetics that the weights may be for; one alone counts as stated.
    ///   - input: what the network is fed, if that is stated.
    public init(numerics: [Numerics], input: InputConvention?) {
        (self.numerics, self.input) = (numerics, input)
        (statesNumerics, statesInput) = (numerics.count == 1, input != nil)
    }

    /// What names tell, as a guess.
    private init(guess numerics: [Numerics], input: InputConvention?, names: TensorNames) {
        (self.numerics, self.input, self.names) = (numerics, input, names)
        statesNumerics = names == .settled
        statesInput = names == .settled && input != nil
    }

    /// What can be told from the file's format, names and notes, and from what lies beside it in a hub's folder.
    public init(of checkpoint: any Checkpoint) {
        switch checkpoint {
        case let keras as KerasWeights: self.init(numerics: [.keras], input: keras.inputConvention)
        case let network as ImportedNetwork:
            self.init(numerics: [.onnx], input: ImportedNetworks.input(of: network))
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

    /// What names tell.
    private init(names checkpoint: any Checkpoint) {
        switch checkpoint {
        // timm's `tf_efficientnet` files have the same names and need Keras' arithmetic.
        case is TimmWeights: self.init(guess: [.timm, .keras], input: nil, names: .timm)
        case let renamed as RenamedWeights:
            self.init(guess: renamed.numerics, input: renamed.input, names: renamed.names)
        default: self.init(own: checkpoint.shapes)
        }
    }

    /// What the names of the graphs here tell, which are torchvision's or timm's. Of the relatives of EfficientNet, timm's
    /// `tf_` networks have the same names and need TensorFlow's arithmetic; of the second version only such were published.
    private init(own shapes: [String: [Int]]) {
        // torchvision's InceptionV3 is the only one with an auxiliary classifier.
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
        let isUsable = input.map { $0.mean.count == 3 && $0.deviation.count == 3 } ?? false
        let numerics = (metadata["numerics"] ?? "").split(separator: ",").compactMap { Numerics(rawValue: String($0)) }
        self.init(numerics: numerics, input: isUsable ? input : nil)
        names = metadata["names"].flatMap(TensorNames.init) ?? .settled
        let open = (metadata["open"] ?? "").split(separator: ",")
        statesNumerics = !numerics.isEmpty && !open.contains("numerics")
        statesInput = isUsable && !open.contains("input")
    }

    /// The traits of a published file: the table knows what its names leave open.
    public func settled(by published: PublishedWeights?) -> WeightsTraits {
        guard let published, let backbone = Backbone.named(published.backbone) else { return self }
        var traits = self
        let convention = WeightsConvention(backbone, self)
        if published.arithmetic ?? backbone.numerics[0] == convention.numerics { traits.statesNumerics = true }
        if published.input ?? backbone.inputConvention(published.arithmetic) == convention.input {
            traits.statesInput = true
        }
        return traits
    }

    /// What `weights convert` notes in the new file, so that nothing is lost.
    public var metadata: [String: String] {
        var result: [String: String] = [:]
        // Where the old file left a choice, the new one leaves it too, under the graph's names, which alone may not tell.
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

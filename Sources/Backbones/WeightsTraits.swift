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

    /// Nothing is known.
    public static let unknown = WeightsTraits(numerics: [], input: nil)

    /// All parts, as they are.
    public init(numerics: [Numerics], input: InputConvention?) {
        self.numerics = numerics
        self.input = input
    }

    /// What can be told from the file's format, names and notes, and from what lies beside it in a hub's folder.
    public init(of checkpoint: any Checkpoint) {
        switch checkpoint {
        case let keras as KerasWeights: self.init(numerics: [.keras], input: keras.inputConvention)
        case let network as ImportedNetwork:
            self.init(numerics: [.onnx], input: ImportedNetworks.input(of: network))
        case let zipped as ZippedWeights: self.init(of: zipped.inner)
        case let file as SafeTensorsFile where file.metadata["numerics"] != nil || file.metadata["input"] != nil:
            self.init(metadata: file.metadata)
        default:
            let own = WeightsTraits(names: checkpoint)
            let hub = HubConfiguration(beside: checkpoint.path)
            let told =
                own.numerics.isEmpty
                ? hub.numerics?.sorted { $0.rawValue < $1.rawValue } ?? [] : own.numerics.filter(hub.allows)
            self.init(numerics: told.isEmpty ? own.numerics : told, input: hub.input ?? own.input)
        }
    }

    /// What names tell.
    private init(names checkpoint: any Checkpoint) {
        switch checkpoint {
        // timm's `tf_efficientnet` files have the same names and need Keras' arithmetic.
        case is TimmWeights: self.init(numerics: [.timm, .keras], input: nil)
        case let renamed as RenamedWeights: self.init(numerics: renamed.numerics, input: renamed.input)
        default: self.init(timm: checkpoint.shapes)
        }
    }

    /// What timm's names tell of a relative of EfficientNet. Its `tf_` networks have the same names and need TensorFlow's
    /// arithmetic; of the second version only such were published.
    private init(timm shapes: [String: [Int]]) {
        guard shapes["conv_stem.weight"] != nil else {
            self = .unknown
            return
        }
        if shapes["blocks.0.0.conv.weight"] != nil {
            self.init(numerics: [.keras, .timm], input: .symmetric)
        } else if shapes["conv_head.bias"] != nil {
            self.init(numerics: [.timm, .keras], input: nil)
        } else {
            self = .unknown
        }
    }

    private init(metadata: [String: String]) {
        let input = metadata["input"].flatMap {
            JSONLimits.problem(Data($0.utf8)) == nil
                ? try? JSONDecoder().decode(InputConvention.self, from: Data($0.utf8)) : nil
        }
        let isUsable = input.map { $0.mean.count == 3 && $0.deviation.count == 3 } ?? false
        self.init(
            numerics: metadata["numerics"].flatMap(Numerics.init).map { [$0] } ?? [], input: isUsable ? input : nil)
    }

    /// What `weights convert` notes in the new file, so that nothing is lost.
    public var metadata: [String: String] {
        var result: [String: String] = [:]
        // Where the old file left a choice, the new one leaves it too.
        if numerics.count == 1 { result["numerics"] = numerics[0].rawValue }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        if let input, let json = try? encoder.encode(input) { result["input"] = String(decoding: json, as: UTF8.self) }
        return result
    }
}

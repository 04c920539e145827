import Files
import Foundation
import NeuralNetwork
import ONNX

extension Backbone {
    /// The backbone name of a network from an ONNX file.
    package static let importedName = "onnx"

    /// The network of an ONNX file as a backbone. Its taps are the file's outputs and inner values, under their names
    /// in the file. Throws `ImportError`.
    package static func imported(_ network: ImportedNetwork) throws -> Backbone {
        let stated = network.metadata["image_size"].flatMap(Int.init).flatMap {
            (1...Backbone.largestImageSize).contains($0) ? $0 : nil
        }
        let size = network.imageSize ?? stated ?? 224
        let outputs = network.outputs
        let names = Set(outputs)
        let graph = try network.graph(imageSize: size)
        let isTransformer = graph.nodes.contains { if case .selfAttention = $0.operation { true } else { false } }
        let inner = graph.outputs.filter { !names.contains($0.key) }
            .sorted { ($0.value.index, $0.key) < ($1.value.index, $1.key) }.map(\.key)
        var backbone = Backbone(
            name: importedName, source: network.path.fileName, nativeImageSize: size,
            minimumImageSize: network.imageSize ?? 16, numerics: [.onnx], taps: outputs + inner,
            framesAtOnce: isTransformer ? 4 : 16,
            // Image sizes are validated before they are used.
            makeGraph: { size, _ in (try? network.graph(imageSize: size)) ?? Graph.empty },
            makeConvention: { _ in network.inputConvention ?? .imageNet })
        (backbone.fixedImageSize, backbone.network) = (network.imageSize, network)
        return backbone
    }
}

extension ImportedNetwork {
    /// The input convention that the file states: in the recipe of a model that Zoetrope wrote, through an integer
    /// input, or in a hub configuration beside the file. Nil if it is not stated.
    package var inputConvention: InputConvention? {
        struct Recipe: Decodable { let input: InputConvention }
        if let recipe = metadata["recipe"], normalization != nil,
            JSONLimits.problem(Data(recipe.utf8)) == nil,
            let own = try? JSONDecoder().decode(Recipe.self, from: Data(recipe.utf8)), own.input.isPossible
        {
            return own.input
        }
        if let (scale, offset) = normalization {
            let own = InputConvention(
                mean: zip(scale, offset).map { -$1 / $0 / 255 }, standardDeviation: scale.map { 1 / (255 * $0) },
                isBlueFirst: isBlueFirst)
            if own.isPossible { return own }
        }
        return HubConfiguration(beside: path).input
    }
}

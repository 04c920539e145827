import Files
import Foundation
import NeuralNetwork
import ONNX
import Synchronization

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
            makeConvention: { _ in ImportedNetworks.input(of: network) ?? .imageNet })
        backbone.fixedImageSize = network.imageSize
        return backbone
    }
}

/// Networks that this process has read from ONNX files.
package enum ImportedNetworks {
    private struct Known {
        var opened: [String: (stamp: [Int], network: ImportedNetwork)] = [:]
        var byDigest: [String: ImportedNetwork] = [:]
    }

    private static let known = Mutex(Known())

    /// Returns the network of a file, which is read again only if the file changes. Throws `ImportError`.
    package static func open(path: String) throws -> ImportedNetwork {
        var status = stat()
        let stamp =
            stat(path, &status) == 0
            ? [Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ino)] : []
        if let open = known.withLock({ $0.opened[path] }), open.stamp == stamp, !stamp.isEmpty { return open.network }
        let network = try ImportedNetwork(path: path)
        known.withLock { $0.opened[path] = (stamp, network) }
        return network
    }

    /// Registers a network under the digest by which recipes refer to it.
    package static func remember(_ network: ImportedNetwork, digest: String) {
        known.withLock { $0.byDigest[digest] = network }
    }

    package static func network(digest: String) -> ImportedNetwork? { known.withLock { $0.byDigest[digest] } }

    /// The input convention that the file states: in the recipe of a model that Zoetrope wrote, through an integer
    /// input, or in a hub configuration beside the file. Nil if it is not stated.
    package static func input(of network: ImportedNetwork) -> InputConvention? {
        struct Recipe: Decodable { let input: InputConvention }
        if let recipe = network.metadata["recipe"], network.normalization != nil,
            JSONLimits.problem(Data(recipe.utf8)) == nil,
            let own = try? JSONDecoder().decode(Recipe.self, from: Data(recipe.utf8)), own.input.isPossible
        {
            return own.input
        }
        if let (scale, offset) = network.normalization {
            let own = InputConvention(
                mean: zip(scale, offset).map { -$1 / $0 / 255 }, deviation: scale.map { 1 / (255 * $0) },
                isBlueFirst: network.isBlueFirst)
            if own.isPossible { return own }
        }
        return HubConfiguration(beside: network.path).input
    }
}

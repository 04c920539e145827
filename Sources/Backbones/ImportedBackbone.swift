import Files
import Foundation
import NeuralNetwork
import ONNX
import Synchronization

extension Backbone {
    /// What pipelines call a network that comes from an ONNX file.
    public static let importedName = "onnx"

    /// The network of an ONNX file. Its taps are the file's outputs and inner values, by their names there.
    ///
    /// - Throws: `ImportError`.
    public static func imported(_ network: ImportedNetwork) throws -> Backbone {
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
            // Sizes are tried before they are used.
            makeGraph: { size, _ in (try? network.graph(imageSize: size)) ?? Graph.empty },
            makeConvention: { _ in ImportedNetworks.input(of: network) ?? .imageNet })
        backbone.fixedImageSize = network.imageSize
        return backbone
    }
}

/// Networks that this process has read from ONNX files.
public enum ImportedNetworks {
    private struct Known {
        var opened: [String: (stamp: [Int], network: ImportedNetwork)] = [:]
        var byDigest: [String: ImportedNetwork] = [:]
    }

    private static let known = Mutex(Known())

    /// The network of a file; read once as long as the file does not change.
    ///
    /// - Throws: `ImportError`.
    public static func open(path: String) throws -> ImportedNetwork {
        var status = stat()
        let stamp =
            stat(path, &status) == 0
            ? [Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ino)] : []
        if let open = known.withLock({ $0.opened[path] }), open.stamp == stamp, !stamp.isEmpty { return open.network }
        let network = try ImportedNetwork(path: path)
        known.withLock { $0.opened[path] = (stamp, network) }
        return network
    }

    /// Remembers what has that digest, for recipes that name it.
    public static func remember(_ network: ImportedNetwork, digest: String) {
        known.withLock { $0.byDigest[digest] = network }
    }

    /// The network that has the digest, where it was read.
    public static func network(digest: String) -> ImportedNetwork? { known.withLock { $0.byDigest[digest] } }

    /// What the file says its network is fed: by the recipe of a model that Zoetrope wrote, by its input of whole
    /// numbers, or by what lies beside it in a hub's folder; nil where nothing says so.
    public static func input(of network: ImportedNetwork) -> InputConvention? {
        struct Recipe: Decodable { let input: InputConvention }
        if let recipe = network.metadata["recipe"], network.normalization != nil,
            JSONLimits.problem(Data(recipe.utf8)) == nil,
            let own = try? JSONDecoder().decode(Recipe.self, from: Data(recipe.utf8)),
            own.input.isPossible
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

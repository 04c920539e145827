import Backbones
import Digests
import FeatureCache
import Files
import Foundation
import Inference
import NeuralNetwork
import ONNX

/// A backbone's weights, hashed once, ready to be shared by all workers.
public struct LoadedWeights: Sendable {
    /// Parameters as plans take them.
    public let packed: PackedWeights
    /// SHA-256 of the file, hex; nil for random weights.
    public let digest: String?
    /// What the file says of the network it is for.
    public let traits: WeightsTraits
    /// Which of several networks in the file; nil if it holds one.
    public let part: String?
    /// Side of the grid that a transformer's positions were learned on; nil if it is the backbone's.
    public let grid: Int?
    /// The file's other networks that fit, by their names in it.
    let otherParts: [String]
    /// What was left out of the file.
    let skipped: [String]
    /// Modules of the file that the network has no part in.
    let unused: [String]
    private let file: (any Checkpoint)?

    /// Parameters as their file, or the generator, has them.
    public var source: any ParameterSource { file.map(Self.checked) ?? RandomParameters() }

    /// Constants of an ONNX file may be infinite, such as those of a mask; its layers are looked at by `warning`.
    private static func checked(_ file: any Checkpoint) -> any ParameterSource {
        file is ImportedNetwork ? file : PlausibleParameters(file)
    }

    /// The weights of a stored recipe, read from the file `name`.
    ///
    /// - Throws: `WeightsError`.
    public init(of recipe: ExtractionRecipe, file name: String) throws {
        try self.init(
            recipe.weights == "random" ? .random : .file(name, part: recipe.part), for: Backbone.named(recipe.backbone))
    }

    /// - Parameter backbone: the network; nil for any that is known.
    /// - Throws: `WeightsError` if the file cannot be read, or holds the weights of another network of the same kind.
    public init(_ weights: ExtractionConfiguration.Weights, for backbone: Backbone?) throws {
        switch weights {
        case .random:
            packed = PackedWeights(RandomParameters(), identity: "random")
            (digest, traits, file, part, grid) = (nil, .unknown, nil, nil, nil)
            (otherParts, skipped, unused) = ([], [], [])
        case .file(let path, let wanted):
            guard FileManager.default.fileExists(atPath: path) else {
                let name = path.fileName
                throw WeightsError.missing(file: path, published: PublishedWeights.named(name)?.file)
            }
            let resolved = try ResolvedWeights(
                path: path, for: backbone.flatMap { $0.name == Backbone.importedName ? nil : $0 }, part: wanted)
            let checkpoint = resolved.checkpoint
            (part, grid) = (resolved.part, resolved.grid)
            (otherParts, skipped) = (wanted == nil ? resolved.others : [], checkpoint.notes)
            unused = resolved.unused
            let own = try Self.digest(of: checkpoint.files)
            digest = own
            if let network = checkpoint as? ImportedNetwork { ImportedNetworks.remember(network, digest: own) }
            packed = PackedWeights(Self.checked(checkpoint), identity: digest)
            traits = WeightsTraits(of: checkpoint).settled(by: .holding(digest: own, file: path))
            file = checkpoint
        }
    }

    /// Of the file; of several, of their digests in a row.
    ///
    /// - Throws: `WeightsError.malformed` if a published digest says otherwise.
    static func digest(of files: [String]) throws -> String {
        let digests = try files.map { file in
            let digest = try FileDigest.sha256(path: file)
            if let reason = PublishedWeights.difference(path: file, sha256: digest) {
                throw WeightsError.malformed(file: file, reason: reason)
            }
            return digest
        }
        return digests.count == 1 ? digests[0] : hexDigest(Data(digests.joined().utf8))
    }

    /// - Throws: `WeightsError.mismatch`, with a guess of what the file is instead.
    public func validate(for parameters: [Graph.Parameter]) throws {
        guard let file else { return }
        do {
            try file.validate(for: parameters)
        } catch WeightsError.mismatch(let path, var mismatch) {
            let hints = [WeightsHint.text(expected: parameters, found: file.shapes)].compactMap { $0 }
            mismatch.hint = (hints + file.notes.map { "Note that \($0)." }).joined(separator: " ")
            if mismatch.hint == "" { mismatch.hint = nil }
            throw WeightsError.mismatch(file: path, mismatch)
        }
    }

    /// What is wrong with the parameters that plans have read so far, or nil.
    public func warning(name: String) -> String? {
        let layers = packed.nonFiniteLayers
        guard !layers.isEmpty else { return nil }
        return "\(name) holds numbers that are NaN or infinite (\(layers.prefix(3).joined(separator: ", "))"
            + "\(layers.count > 3 ? ", …" : "")): features made with it are worth nothing"
    }
}

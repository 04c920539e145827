import Backbones
import Digests
import FeatureCache
import Files
import Foundation
import Inference
import NeuralNetwork
import ONNX

/// A backbone's weights, hashed once, shared by all workers.
package struct LoadedWeights: Sendable {
    /// The weights as plans need them.
    package let packed: PackedWeights
    /// SHA-256 of the file, hex; nil for random weights.
    package let digest: String?
    /// What the file reveals about its network.
    package let traits: WeightsTraits
    /// Which of several networks in the file; nil if it contains one.
    package let part: String?
    /// Side of the grid of a transformer's position embeddings; nil if it is the backbone's.
    package let grid: Int?
    /// Names of the file's other matching networks.
    let otherParts: [String]
    /// Content of the file that was ignored.
    let skipped: [String]
    /// Modules of the file that the network does not use.
    let unused: [String]
    private let file: (any Checkpoint)?

    /// The parameters from the file or the random generator.
    package var source: any ParameterSource { file.map(Self.checked) ?? RandomParameters() }

    /// Constants of an ONNX file may be infinite, such as those of a mask; its layers are checked by `warning`.
    private static func checked(_ file: any Checkpoint) -> any ParameterSource {
        file is ImportedNetwork ? file : PlausibleParameters(file)
    }

    /// The weights of a stored recipe, read from the file `name`. Throws `WeightsError`.
    package init(of recipe: ExtractionRecipe, file name: String) throws {
        try self.init(
            recipe.weights == "random" ? .random : .file(name, part: recipe.part), for: Backbone.named(recipe.backbone))
    }

    /// - `backbone`: the network; nil for any known one.
    /// - Throws: `WeightsError` if the file cannot be read, or contains weights of another network.
    package init(_ weights: ExtractionConfiguration.Weights, for backbone: Backbone?) throws {
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
            let resolved = try ResolvedWeights(path: path, for: backbone, part: wanted)
            let checkpoint = resolved.checkpoint
            (part, grid) = (resolved.part, resolved.grid)
            (otherParts, skipped) = (wanted == nil ? resolved.others : [], checkpoint.notes)
            unused = resolved.unused
            let own = try Self.digest(of: checkpoint.files)
            digest = own
            packed = PackedWeights(Self.checked(checkpoint), identity: digest)
            traits = WeightsTraits(of: checkpoint).settled(by: .holding(digest: own, file: path))
            file = checkpoint
        }
    }

    /// Of the file; for several files, of their concatenated digests. Throws `WeightsError.malformed` if a published
    /// digest differs.
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

    /// Checks that these are the weights of a stored recipe. `file`, `user`: for the error, see
    /// `RecipeError.otherWeights`, which is thrown.
    package func requireDigest(of recipe: ExtractionRecipe, file: String, user: String) throws {
        guard digest ?? "random" == recipe.weights else { throw RecipeError.otherWeights(file: file, user: user) }
    }

    /// - Throws: `WeightsError.mismatch`, with a guess of the file's network.
    package func validate(for parameters: [Graph.Parameter]) throws {
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

    /// A problem with the parameters read so far, or nil.
    package func warning(name: String) -> String? {
        let layers = packed.nonFiniteLayers
        guard !layers.isEmpty else { return nil }
        return "\(name) holds NaN or infinite values (\(layers.prefix(3).joined(separator: ", "))"
            + "\(layers.count > 3 ? ", …" : "")), so its features are invalid"
    }
}

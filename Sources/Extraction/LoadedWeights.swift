import Backbones
import Digests
import FeatureCache
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
    private let file: (any Checkpoint)?

    /// Parameters as their file, or the generator, has them.
    public var source: any ParameterSource { file.map(Self.checked) ?? RandomParameters() }

    /// Constants of an ONNX file may be infinite, such as those of a mask; its layers are looked at by `warning`.
    private static func checked(_ file: any Checkpoint) -> any ParameterSource {
        file is ImportedNetwork ? file : PlausibleParameters(file)
    }

    /// - Throws: `WeightsError` where the file cannot be read.
    public init(_ weights: ExtractionConfiguration.Weights) throws {
        switch weights {
        case .random:
            packed = PackedWeights(RandomParameters(), identity: "random")
            (digest, traits, file) = (nil, .unknown, nil)
        case .file(let path):
            guard FileManager.default.fileExists(atPath: path) else {
                let name = (path as NSString).lastPathComponent
                throw WeightsError.missing(file: path, published: PublishedWeights.named(name)?.file)
            }
            let checkpoint = try openWeights(path: path)
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
            mismatch.hint = WeightsHint.text(expected: parameters, found: file.shapes)
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

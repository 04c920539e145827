import Backbones
import Foundation
import NeuralNetwork

/// A backbone's weights, hashed once, ready to be shared by all workers.
public struct LoadedWeights: Sendable {
    /// Parameters as plans take them.
    public let packed: PackedWeights
    /// SHA-256 of the file, hex; nil for random weights.
    public let digest: String?
    /// Whose arithmetic the file's format says the weights are for.
    public let numerics: Numerics?
    /// What the file itself says of the network's input.
    public let inputConvention: InputConvention?
    private let file: (any Checkpoint)?

    /// - Throws: `WeightsError` where the file cannot be read.
    public init(_ weights: ExtractionConfiguration.Weights) throws {
        switch weights {
        case .random:
            packed = PackedWeights(RandomParameters())
            (digest, numerics, inputConvention, file) = (nil, nil, nil, nil)
        case .file(let path):
            let checkpoint = try openWeights(path: path)
            let keras = checkpoint as? KerasWeights
            packed = PackedWeights(checkpoint)
            digest = try FileDigest.sha256(path: path)
            numerics = keras == nil ? nil : .keras
            inputConvention = keras?.inputConvention
            file = checkpoint
        }
    }

    /// - Throws: `WeightsError.mismatch`, with a guess of what the file is instead.
    public func validate(for parameters: [Graph.Parameter]) throws {
        guard let file else { return }
        do {
            try file.validate(for: parameters)
        } catch WeightsError.mismatch(let path, var mismatch) {
            mismatch.hint = Backbone.looking(like: file.shapes).map { "This looks like \($0.name)." }
            throw WeightsError.mismatch(file: path, mismatch)
        }
    }
}

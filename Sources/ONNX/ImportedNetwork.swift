import Foundation
import NeuralNetwork
import Synchronization

/// A network read from an ONNX file: its graph for pictures of a size, and its weights.
///
/// `@unchecked Sendable`: what was read for a size is kept behind a lock; the file does not change.
public final class ImportedNetwork: @unchecked Sendable {
    /// The path it was read from.
    public let path: String
    private let file: ModelFile
    private let lock = NSLock()
    private var read: [Int: Result<Reading, any Error>] = [:]

    private struct Reading {
        let graph: Graph
        let parameters: [String: GraphImporter.Parameter]
        let importer: GraphImporter
    }

    /// Reads the file's structure; weights stay where they are.
    ///
    /// - Throws: `ImportError`.
    public init(path: String) throws {
        self.path = path
        file = try ModelFile(path: path)
        _ = try reading(imageSize: imageSize ?? Self.usualSize)
    }

    private static let usualSize = 224

    /// Side of the pictures that it takes, in pixels; nil where any will do.
    public var imageSize: Int? { file.graph.input.lazy.compactMap(GraphImporter.picture).first?.size }

    /// What the file says of itself, by key.
    public var metadata: [String: String] { file.metadata }

    /// Factor and summand of each channel's whole numbers from 0 to 255, where the file begins with them.
    public var normalization: (scale: [Float], offset: [Float])? {
        let reading = try? reading(imageSize: imageSize ?? Self.usualSize)
        guard let own = reading?.importer.inputAffine else { return nil }
        let scale = (try? own.scale?.load().numbers) ?? [1, 1, 1],
            offset = (try? own.shift?.load().numbers) ?? [0, 0, 0]
        return (scale, offset)
    }

    /// Whether what follows takes blue before red.
    public var isBlueFirst: Bool {
        (try? reading(imageSize: imageSize ?? Self.usualSize))?.importer.isBlueFirst ?? false
    }

    /// The names of its outputs.
    public var outputs: [String] { file.graph.output.map(\.name) }

    /// Files that hold its weights: its own, and those beside it.
    public var files: [String] { [path] + file.externalFiles }

    /// The network for square pictures, with all values that can be asked for among its outputs.
    ///
    /// - Throws: `ImportError`.
    public func graph(imageSize: Int) throws -> Graph { try reading(imageSize: imageSize).graph }

    /// Why a value is not among the graph's outputs.
    ///
    /// - Throws: `ImportError`, always where it is not.
    public func check(output: String, imageSize: Int) throws {
        let reading = try reading(imageSize: imageSize)
        if reading.graph.outputs[output] != nil { return }
        var importer = reading.importer
        throw ImportError.unsupported(file: path, nodes: importer.refusals(of: output))
    }

    private func reading(imageSize: Int) throws -> Reading {
        try lock.withLock {
            if let known = read[imageSize] { return try known.get() }
            let result = Result { () throws -> Reading in
                var importer = GraphImporter(file)
                let graph = try importer.graph(imageSize: imageSize)
                return Reading(graph: graph, parameters: importer.parameters, importer: importer)
            }
            read[imageSize] = result
            return try result.get()
        }
    }

    private var parameters: [String: GraphImporter.Parameter] {
        lock.withLock {
            read.values.compactMap { try? $0.get().parameters }
                .reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
    }
}

extension ImportedNetwork: Checkpoint {
    /// `onnx`.
    public var format: String { "onnx" }

    /// Of every parameter that its graphs have.
    public var shapes: [String: [Int]] { parameters.mapValues(\.shape) }

    /// - Throws: `ImportError` where the file changed meanwhile.
    public func tensor(named name: String) throws -> Tensor? {
        guard let parameter = lock.withLock({ read.values.lazy.compactMap { try? $0.get().parameters[name] }.first })
        else { return nil }
        return try parameter.load()
    }

    /// - Throws: `WeightsError.mismatch` where it is missing or has another shape.
    public func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        guard let tensor = try tensor(named: parameter.name), tensor.shape == parameter.shape else {
            throw WeightsError.mismatch(file: path, WeightsMismatch(expected: [parameter], found: shapes))
        }
        return tensor
    }
}

import Foundation
import NeuralNetwork
import Synchronization
import Threads

/// A network from an ONNX file: its graph for an image size, and its weights. `@unchecked Sendable`: graphs that were
/// built are kept behind a lock; the file does not change.
package final class ImportedNetwork: @unchecked Sendable {
    package let path: String
    private let file: ModelFile
    private let lock = Mutex(())
    private var read: [Int: Result<Reading, any Error>] = [:]

    private struct Reading {
        let graph: Graph
        let parameters: [String: GraphImporter.Parameter]
        let importer: GraphImporter
    }

    /// Reads the file's structure; weights are read on demand. Throws `ImportError`.
    package init(path: String) throws {
        self.path = path
        file = try ModelFile(path: path)
        _ = try reading(imageSize: imageSize ?? Self.usualSize)
    }

    private static let usualSize = 224

    /// Fixed image side in pixels; nil if it is variable.
    package var imageSize: Int? { file.graph.input.lazy.compactMap(GraphImporter.imageInput).first?.size }

    package var metadata: [String: String] { file.metadata }

    /// Per-channel scale and offset for pixels from 0 to 255, if the network contains them.
    package var normalization: (scale: [Float], offset: [Float])? {
        let reading = try? reading(imageSize: imageSize ?? Self.usualSize)
        guard let own = reading?.importer.inputAffine else { return nil }
        let scale = (try? own.scale?.load().numbers) ?? [1, 1, 1],
            offset = (try? own.shift?.load().numbers) ?? [0, 0, 0]
        return (scale, offset)
    }

    package var isBlueFirst: Bool {
        (try? reading(imageSize: imageSize ?? Self.usualSize))?.importer.isBlueFirst ?? false
    }

    package var outputs: [String] { file.graph.output.map(\.name) }

    /// Files with the weights: the model, and external data beside it.
    package var files: [String] { [path] + file.externalFiles }

    /// The network for square images, with all accessible values among its outputs. Throws `ImportError`.
    package func graph(imageSize: Int) throws -> Graph { try reading(imageSize: imageSize).graph }

    /// Reports why a value is not among the graph's outputs. Throws `ImportError`, always if it is not.
    package func check(output: String, imageSize: Int) throws {
        let reading = try reading(imageSize: imageSize)
        if reading.graph.outputs[output] != nil { return }
        var importer = reading.importer
        throw ImportError.unsupported(file: path, nodes: importer.refusals(of: output))
    }

    private func reading(imageSize: Int) throws -> Reading {
        try lock.serially {
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
        lock.withLock { _ in
            read.values.compactMap { try? $0.get().parameters }
                .reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
    }
}

extension ImportedNetwork: Checkpoint {
    package var format: String { "onnx" }

    package var shapes: [String: [Int]] { parameters.mapValues(\.shape) }

    package func tensor(named name: String) throws -> Tensor? {
        let parameter = lock.withLock { _ in read.values.lazy.compactMap { try? $0.get().parameters[name] }.first }
        return try parameter?.load()
    }

    package func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        guard let tensor = try tensor(named: parameter.name), tensor.shape == parameter.shape else {
            throw WeightsError.mismatch(file: path, WeightsMismatch(expected: [parameter], found: shapes))
        }
        return tensor
    }
}

import Files
import Foundation

/// A weight file: named tensors, read one at a time.
package protocol Checkpoint: ParameterSource {
    var path: String { get }
    /// Such as `safetensors`.
    var format: String { get }
    var shapes: [String: [Int]] { get }
    var files: [String] { get }
    /// Content that was ignored, without the file's name: "it also holds …".
    var notes: [String] { get }
    func tensor(named name: String) throws -> Tensor?
}

extension Checkpoint {
    package var files: [String] { [path] }

    package var notes: [String] { [] }

    /// - Throws: `WeightsError.mismatch` if the tensor is missing or has another shape.
    package func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        // Compared before reading, so that no tensor larger than the network's is loaded.
        guard shapes[parameter.name] == parameter.shape, let tensor = try tensor(named: parameter.name),
            tensor.shape == parameter.shape
        else { throw WeightsError.mismatch(file: path, WeightsMismatch(expected: [parameter], found: shapes)) }
        return tensor
    }

    /// Ignores unused tensors. Throws `WeightsError.mismatch` if a parameter is missing or has another shape.
    package func validate(for parameters: [Graph.Parameter]) throws {
        let mismatch = WeightsMismatch(expected: parameters, found: shapes)
        if !mismatch.isEmpty { throw WeightsError.mismatch(file: path, mismatch) }
        try MemoryLimit.check(4 * parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }, of: path)
    }
}

/// Opens a weight file; its format is detected from the content. Throws `WeightsError`.
package func openCheckpoint(path: String) throws -> any Checkpoint {
    let start: [UInt8]
    do { start = [UInt8](try RegularFile.start(of: path, count: 8)) } catch {
        throw WeightsError.unreadable(file: path, reason: error.reason)
    }
    if let index = try ShardedWeights.index(for: path) { return try ShardedWeights(index: index) }
    if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
        return try PyTorchArchive.recognizes(path) ? PyTorchArchive(path: path) : ZippedWeights(path: path)
    }
    // A pickle of protocol 2 or later that begins with torch's magic number.
    if start.count > 3, start[0] == 0x80, start[2] == 0x8A { return try PyTorchLegacyFile(path: path) }
    if start.count > 1, start[0] == 0x80, (2...5).contains(start[1]) {
        throw WeightsError.malformed(
            file: path,
            reason: "it is a pickle that torch.save did not write; save a dictionary of tensors with torch.save")
    }
    return try SafeTensorsFile(path: path)
}

/// Where a plan reads its parameters: a checkpoint or a random generator.
package protocol ParameterSource: Sendable {
    /// Returns one parameter in its published shape. May be called from any thread.
    func tensor(for parameter: Graph.Parameter) throws -> Tensor
}

extension RandomParameters: ParameterSource {}

package struct NamedTensors: ParameterSource {
    package var tensors: [String: Tensor]

    package init(_ tensors: [String: Tensor]) { self.tensors = tensors }

    package func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        guard let tensor = tensors[parameter.name], tensor.shape == parameter.shape else {
            throw WeightsError.mismatch(
                file: "memory", WeightsMismatch(expected: [parameter], found: tensors.mapValues(\.shape)))
        }
        return tensor
    }
}

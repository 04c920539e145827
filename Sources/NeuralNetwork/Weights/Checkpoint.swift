import Files
import Foundation

/// A weight file: named tensors, read one at a time.
public protocol Checkpoint: ParameterSource {
    /// The path it was read from.
    var path: String { get }
    /// Such as `safetensors`.
    var format: String { get }
    /// Shape of every tensor, by name.
    var shapes: [String: [Int]] { get }
    /// The files that all tensors come from.
    var files: [String] { get }
    /// What was left out of it, without the file's name: "it also holds …".
    var notes: [String] { get }
    /// The tensor called `name` as `Float`, or nil.
    func tensor(named name: String) throws -> Tensor?
}

extension Checkpoint {
    /// The one file it was read from.
    public var files: [String] { [path] }

    /// Nothing was left out.
    public var notes: [String] { [] }

    /// - Throws: `WeightsError.mismatch` where it is missing or has another shape.
    public func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        // Compared before it is read: what fits the network fits into memory.
        guard shapes[parameter.name] == parameter.shape, let tensor = try tensor(named: parameter.name),
            tensor.shape == parameter.shape
        else {
            throw WeightsError.mismatch(file: path, WeightsMismatch(expected: [parameter], found: shapes))
        }
        return tensor
    }

    /// - Throws: `WeightsError.mismatch` where a parameter is missing or has another shape. Tensors
    ///   that the network does not use are accepted.
    public func validate(for parameters: [Graph.Parameter]) throws {
        let mismatch = WeightsMismatch(expected: parameters, found: shapes)
        if !mismatch.isEmpty { throw WeightsError.mismatch(file: path, mismatch) }
        try MemoryLimit.check(4 * parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }, of: path)
    }
}

/// Opens a weight file by its content, whatever it is called.
///
/// - Throws: `WeightsError`.
public func openCheckpoint(path: String) throws -> any Checkpoint {
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

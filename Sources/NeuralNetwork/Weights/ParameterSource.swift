/// Where a plan gets its parameters from: a checkpoint, or a generator.
public protocol ParameterSource: Sendable {
    /// The values of one parameter, in its published shape. May be called from any thread.
    func tensor(for parameter: Graph.Parameter) throws -> Tensor
}

extension RandomParameters: ParameterSource {}

/// Parameters held in memory, by name.
public struct NamedTensors: ParameterSource {
    /// By parameter name.
    public var tensors: [String: Tensor]

    /// Parameters held in memory.
    public init(_ tensors: [String: Tensor]) { self.tensors = tensors }

    /// - Throws: `WeightsError.mismatch` where it is missing or has another shape.
    public func tensor(for parameter: Graph.Parameter) throws -> Tensor {
        guard let tensor = tensors[parameter.name], tensor.shape == parameter.shape else {
            throw WeightsError.mismatch(
                file: "memory", WeightsMismatch(expected: [parameter], found: tensors.mapValues(\.shape)))
        }
        return tensor
    }
}

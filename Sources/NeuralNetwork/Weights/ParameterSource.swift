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

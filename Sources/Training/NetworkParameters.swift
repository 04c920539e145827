import Inference
import NeuralNetwork

/// The parameters of a network of which some are trained: those, and beside them what optimisers must not touch, the
/// frozen ones and the running statistics.
public struct NetworkParameters: Sendable {
    /// What training changes.
    public var trained: ParameterVector
    /// Frozen parameters and running statistics.
    public var fixed: ParameterVector
    /// Where each parameter of the graph stands.
    let places: [Place]

    struct Place: Sendable {
        let isTrained: Bool
        /// Index of its first number.
        let offset: Int
    }

    /// - `trains`: whether a parameter is trained; running statistics never are.
    /// - `source`: of the values.
    /// - Throws: what the source throws.
    public init(_ graph: Graph, from source: any ParameterSource, trains: (Graph.Parameter) -> Bool) throws {
        let isTrained = graph.parameters.map { $0.isTrainable && trains($0) }
        let parts = [true, false].map { wanted in
            graph.parameters.indices.filter { isTrained[$0] == wanted }.map { graph.parameters[$0] }
        }
        trained = try ParameterVector(parts[0], from: source)
        fixed = try ParameterVector(parts[1], from: source)
        var next = [true: 0, false: 0]
        let slots = [true: trained.slots, false: fixed.slots]
        places = isTrained.map { own in
            let index = next[own] ?? 0
            next[own] = index + 1
            return Place(isTrained: own, offset: slots[own]?[index].offset ?? 0)
        }
    }

    /// Every parameter by its name.
    public var tensors: [String: Tensor] { trained.tensors.merging(fixed.tensors) { first, _ in first } }

    /// The same as where plans get their parameters from.
    public var source: NamedTensors { NamedTensors(tensors) }

    /// Calls `body` with a parameter's numbers, by its place in the graph.
    func withPointers<Result>(
        _ body: (_ parameter: (Int) -> UnsafePointer<Float>) throws -> Result
    ) rethrows -> Result {
        try trained.withPointer { trained in
            try fixed.withPointer { fixed in
                try body { (places[$0].isTrained ? trained : fixed) + places[$0].offset }
            }
        }
    }
}

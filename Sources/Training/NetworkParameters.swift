import Inference
import NeuralNetwork

/// The parameters of a partly trained network: the trained ones, and separately the frozen ones and running statistics,
/// which optimisers must not change.
package struct NetworkParameters: Sendable {
    package var trained: ParameterVector
    /// Frozen parameters and running statistics.
    package var fixed: ParameterVector
    /// The location of each parameter of the graph.
    let places: [Place]

    struct Place: Sendable {
        let isTrained: Bool
        /// Index of its first element.
        let offset: Int
    }

    /// `trains`: whether a parameter is trained; running statistics never are. `source`: provides the values. Throws
    /// errors of the source.
    package init(_ graph: Graph, from source: any ParameterSource, trains: (Graph.Parameter) -> Bool) throws {
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

    package var tensors: [String: Tensor] { trained.tensors.merging(fixed.tensors) { first, _ in first } }

    package var source: NamedTensors { NamedTensors(tensors) }

    /// Calls `body` with a function that returns a parameter's elements by its index in the graph.
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

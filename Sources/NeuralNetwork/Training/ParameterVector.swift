/// All trained parameters of a graph, one after the other in one array: optimisers see one vector,
/// layers see their slices.
public struct ParameterVector: Sendable, Equatable {
    /// One parameter's place.
    public struct Slot: Sendable, Equatable {
        /// What stands here.
        public let parameter: Graph.Parameter
        /// Index of its first number in `values`.
        public let offset: Int
    }

    /// Every parameter of the graph, in its order.
    public let slots: [Slot]
    /// All parameters, one after the other.
    public var values: [Float]

    /// Zeros for every parameter of the graph.
    public init(zerosFor graph: Graph) {
        var offset = 0
        slots = graph.parameters.map { parameter in
            defer { offset += parameter.count }
            return Slot(parameter: parameter, offset: offset)
        }
        values = Array(repeating: 0, count: offset)
    }

    /// The parameters of the graph, read from a source.
    public init(_ graph: Graph, from source: any ParameterSource) throws {
        self.init(zerosFor: graph)
        for slot in slots {
            let tensor = try source.tensor(for: slot.parameter)
            values.replaceSubrange(slot.offset..<slot.offset + tensor.count, with: tensor.values)
        }
    }

    /// Every parameter by its name.
    public var tensors: [String: Tensor] {
        slots.reduce(into: [:]) { result, slot in
            let range = slot.offset..<slot.offset + slot.parameter.count
            result[slot.parameter.name] = Tensor(shape: slot.parameter.shape, values: Array(values[range]))
        }
    }
}

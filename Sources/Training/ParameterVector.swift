import Inference
import NeuralNetwork

/// All trained parameters of a graph in one vector: optimisers see the vector, layers see their slices, each aligned to
/// a cache line. Copies share memory until one of them is changed (copy-on-write).
///
/// `@unchecked Sendable`: memory with more than one reference is never written.
package struct ParameterVector: @unchecked Sendable, Equatable {
    package struct Slot: Sendable, Equatable {
        package let parameter: Graph.Parameter
        /// Index of its first element in the memory.
        let offset: Int
    }

    /// Every parameter of the graph, in the graph's order.
    package let slots: [Slot]
    private var buffer: FloatBuffer

    /// Elements in memory including the padding between slots, which is always zero.
    var paddedCount: Int { buffer.count }

    package init(zerosFor graph: Graph) { self.init(zerosFor: graph.parameters) }

    package init(zerosFor parameters: [Graph.Parameter]) {
        var offset = 0
        slots = parameters.map { parameter in
            defer { offset += (parameter.count + 15) / 16 * 16 }
            return Slot(parameter: parameter, offset: offset)
        }
        buffer = FloatBuffer(offset, 0)
    }

    package init(_ graph: Graph, from source: any ParameterSource) throws {
        try self.init(graph.parameters, from: source)
    }

    package init(_ parameters: [Graph.Parameter], from source: any ParameterSource) throws {
        self.init(zerosFor: parameters)
        for slot in slots {
            let tensor = try source.tensor(for: slot.parameter)
            precondition(tensor.count == slot.parameter.count, slot.parameter.name)
            tensor.values.withUnsafeBufferPointer {
                if let start = $0.baseAddress { (buffer.pointer + slot.offset).update(from: start, count: $0.count) }
            }
        }
    }

    /// All parameters, concatenated without padding.
    package var values: [Float] {
        get {
            slots.flatMap { UnsafeBufferPointer(start: buffer.pointer + $0.offset, count: $0.parameter.count) }
        }
        set {
            precondition(newValue.count == slots.reduce(0) { $0 + $1.parameter.count })
            var place = 0
            let slots = slots
            withMutablePointer { pointer in
                for slot in slots {
                    for index in 0..<slot.parameter.count { pointer[slot.offset + index] = newValue[place + index] }
                    place += slot.parameter.count
                }
            }
        }
    }

    package var tensors: [String: Tensor] {
        slots.reduce(into: [:]) { result, slot in
            let values = UnsafeBufferPointer(start: buffer.pointer + slot.offset, count: slot.parameter.count)
            result[slot.parameter.name] = Tensor(shape: slot.parameter.shape, values: Array(values))
        }
    }

    package var areFinite: Bool { UnsafeBufferPointer(start: buffer.pointer, count: buffer.count).areFinite }

    func withPointer<Result>(_ body: (UnsafePointer<Float>) throws -> Result) rethrows -> Result {
        try withExtendedLifetime(buffer) { try body($0.pointer) }
    }

    mutating func withMutablePointer<Result>(_ body: (UnsafeMutablePointer<Float>) throws -> Result) rethrows -> Result
    {
        if !isKnownUniquelyReferenced(&buffer) {
            let copy = FloatBuffer(buffer.count)
            copy.pointer.update(from: buffer.pointer, count: buffer.count)
            buffer = copy
        }
        return try withExtendedLifetime(buffer) { try body($0.pointer) }
    }

    package static func == (first: ParameterVector, second: ParameterVector) -> Bool {
        first.slots == second.slots && first.values == second.values
    }
}

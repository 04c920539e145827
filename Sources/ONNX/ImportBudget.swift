import NeuralNetwork

/// Limits on resources: an ONNX file of a few bytes can describe constants, functions and values of any size.
final class ImportBudget {
    /// Maximum number of nodes, and of inputs and outputs of each.
    static let nodes = 50_000
    static let nodeValues = 4096
    static let initializers = 200_000
    static let outputs = 4096
    /// Maximum elements of all computed constants, plus four for each stored element.
    static let folded = 1 << 24
    /// Maximum number of operations of one scalar function.
    static let functionOperations = 256
    /// Maximum number of operations for identifying scalar functions, in total.
    static let evaluations = 60_000_000
    static let constantDepth = 32
    static let channels = 1 << 24
    /// Maximum image side in pixels.
    static let imageSize = 8192

    private var elementsLeft: Int
    private var evaluationsLeft = ImportBudget.evaluations

    init(stored: Int) {
        elementsLeft = max(Self.folded, min(Self.folded + 4 * min(stored, 1 << 48), MemoryLimit.bytes / 32))
    }

    /// Throws `GraphImporter.Refused` if all constants together exceed the limit. Call it before memory is allocated.
    func spend(elements: Int) throws {
        guard elements <= elementsLeft else {
            throw GraphImporter.Refused("the constants computed by the file take too much memory")
        }
        elementsLeft -= max(0, elements)
    }

    /// - Throws: `GraphImporter.Refused` if identifying functions took too long.
    func spend(evaluations: Int) throws {
        guard evaluations <= evaluationsLeft else {
            throw GraphImporter.Refused("the file computes too many element-wise functions")
        }
        evaluationsLeft -= max(0, evaluations)
    }
}

extension GraphImporter {
    /// A constant's shape, whose elements count `times` towards the limit for temporary memory.
    @discardableResult func spend(_ shape: [Int], times: Int = 1) throws -> [Int] {
        let count = try Self.checked(shape).reduce(1, *)
        try budget.spend(elements: count * times)
        return shape
    }

    mutating func node(
        _ name: String, _ operation: NeuralNetwork.Operation, _ inputs: [Graph.NodeID], _ shape: Graph.Shape,
        parameters: [(name: String, shape: [Int])] = []
    ) throws -> Graph.NodeID {
        try Self.check(shape)
        return builder.node(name, operation, inputs, shape, parameters: parameters)
    }

    /// Sixteen frames are computed at once, and a network holds several values at a time.
    static func check(_ shape: Graph.Shape) throws {
        let lengths =
            switch shape {
            case .image(let channels, let height, let width): [channels, height, width]
            case .clip(let channels, let frames, let height, let width): [channels, frames, height, width]
            case .vector(let size), .sequence(let size): [size]
            case .tokens(let count, let size): [count, size]
            }
        guard lengths.allSatisfy({ $0 > 0 }), let size = ShapeLimits.elements(of: lengths),
            size <= MemoryLimit.bytes / 64, shape.rowSize <= ImportBudget.channels
        else { throw Refused("its output has \(lengths.map(String.init).joined(separator: "×")) elements") }
    }

    func known(_ function: ScalarFunction) throws -> ScalarFunction.Known? {
        try budget.spend(evaluations: function.evaluations)
        return function.known
    }

    /// The slope of a leaky ReLU; nil for other functions.
    func leak(_ function: ScalarFunction) throws -> Double? {
        try budget.spend(evaluations: function.evaluations)
        return function.leak
    }
}

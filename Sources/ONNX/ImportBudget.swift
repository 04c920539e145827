import NeuralNetwork

/// What reading one ONNX file may cost. A file of a few bytes can describe constants, functions and values of any size.
final class ImportBudget {
    /// The most nodes, and the most inputs and outputs of each.
    static let nodes = 50_000
    static let nodeValues = 4096
    /// The most initializers.
    static let initializers = 200_000
    /// The most outputs that a file names.
    static let outputs = 4096
    /// The most elements of all constants that are computed while reading: so many, and four for each that is stored.
    static let folded = 1 << 24
    /// The most operations of one function of single numbers.
    static let functionOperations = 256
    /// The most operations of functions that are tried out, of all functions together.
    static let evaluations = 60_000_000
    /// The most layers of constants that are computed from one another when a parameter is read.
    static let constantDepth = 32
    /// The most channels of a value.
    static let channels = 1 << 24
    /// The largest side of pictures, in pixels.
    static let imageSize = 8192

    private var elementsLeft: Int
    private var evaluationsLeft = ImportBudget.evaluations

    /// - Parameter stored: elements that the file stores.
    init(stored: Int) {
        elementsLeft = max(Self.folded, min(Self.folded + 4 * min(stored, 1 << 48), MemoryLimit.bytes / 32))
    }

    /// - Throws: `GraphImporter.Refused` if all constants together take more elements than allowed; call it before memory
    ///   is taken.
    func spend(elements: Int) throws {
        guard elements <= elementsLeft else {
            throw GraphImporter.Refused("the constants that the file computes take too much memory")
        }
        elementsLeft -= max(0, elements)
    }

    /// - Throws: `GraphImporter.Refused` if too many functions were tried out.
    func spend(evaluations: Int) throws {
        guard evaluations <= evaluationsLeft else {
            throw GraphImporter.Refused("the file computes too many functions of single numbers")
        }
        evaluationsLeft -= max(0, evaluations)
    }
}

extension GraphImporter {
    /// A constant's shape; its elements count towards the budget, `times` so many for what making it takes beside.
    @discardableResult
    func spend(_ shape: [Int], times: Int = 1) throws -> [Int] {
        let count = try Self.checked(shape).reduce(1, *)
        try budget.spend(elements: count * times)
        return shape
    }

    /// A node whose value is small enough to be computed.
    mutating func node(
        _ name: String, _ operation: NeuralNetwork.Operation, _ inputs: [Graph.NodeID], _ shape: Graph.Shape,
        parameters: [(name: String, shape: [Int])] = []
    ) throws -> Graph.NodeID {
        try Self.check(shape)
        return builder.node(name, operation, inputs, shape, parameters: parameters)
    }

    /// Sixteen frames are computed at once, and a network needs several values at a time.
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
        else { throw Refused("it makes a value of \(lengths.map(String.init).joined(separator: "×")) numbers") }
    }

    /// What a function is; nil if it is none that is known here.
    func known(_ function: ScalarFunction) throws -> ScalarFunction.Known? {
        try budget.spend(evaluations: function.evaluations)
        return function.known
    }

    /// The slope of a leaky ReLU; nil for another function.
    func leak(_ function: ScalarFunction) throws -> Double? {
        try budget.spend(evaluations: function.evaluations)
        return function.leak
    }
}

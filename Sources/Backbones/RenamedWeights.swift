import NeuralNetwork

/// A weight file with a publisher's tensor names, renamed to those of the graphs here.
package struct RenamedWeights: Checkpoint {
    package var path: String { file.path }
    package var files: [String] { file.files }
    package var format: String { file.format + ", names of " + publisher }
    package var notes: [String] { file.notes }
    package let shapes: [String: [Int]]
    /// The implementations that the weights may be for, the most likely first.
    let numerics: [Numerics]
    /// The input normalisation, if the names determine it.
    let input: InputConvention?
    /// The origin of the names, if they leave the variant open.
    let names: TensorNames

    let file: any Checkpoint
    private let publisher: String
    private let sources: [String: Source]

    enum Source: Sendable {
        case tensor(String)
        /// The same elements in another shape.
        case reshaped(String, [Int])
        case transposed(String)
        /// Concatenated along the first dimension.
        case joined([String])
        /// Some rows of a tensor viewed as `[rows, columns]`, in the given shape.
        case rows(String, Range<Int>, [Int])
        /// The sum of a tensor and the first row of another.
        case sumWithFirstRow(String, String)
    }

    struct Scheme {
        let publisher: String
        /// The end of a tensor's name that every file of the scheme contains.
        let anchor: String
        let numerics: [Numerics]
        let input: InputConvention?
        let names: TensorNames
        /// Maps the graph's names to their sources; nil if the file's names do not follow the scheme.
        let sources: ([String: [Int]]) -> [String: Source]?

        init(
            _ publisher: String, _ anchor: String, _ numerics: [Numerics], input: InputConvention? = nil,
            names: TensorNames = .settled, _ sources: @escaping ([String: [Int]]) -> [String: Source]?
        ) {
            (self.publisher, self.anchor, self.numerics) = (publisher, anchor, numerics)
            (self.input, self.names, self.sources) = (input, names, sources)
        }
    }

    /// Whether the names are CLIP's without information about the activation: SigLIP has no class token, and OpenAI's
    /// own archives hold their input size.
    private static func leavesActivation(_ found: [String: [Int]]) -> Bool {
        found["input_resolution"] == nil && found.keys.contains { $0.hasSuffix("class_embedding") }
    }

    /// Nil if the names follow no known scheme.
    init?(_ file: any Checkpoint) {
        let found = file.shapes
        for scheme in Self.schemes {
            guard let sources = scheme.sources(found) else { continue }
            self.file = file
            publisher = scheme.publisher
            numerics = scheme.numerics
            input = scheme.input
            names = scheme.names == .clip && !Self.leavesActivation(found) ? .settled : scheme.names
            self.sources = sources
            shapes = sources.compactMapValues { Self.shape(of: $0, found) }
            return
        }
        return nil
    }

    /// The name in the file; for a tensor made from several, the first one's.
    func original(of name: String) -> String? {
        switch sources[name] {
        case .tensor(let name), .reshaped(let name, _), .transposed(let name), .rows(let name, _, _),
            .sumWithFirstRow(let name, _):
            name
        case .joined(let names): names.first
        case nil: nil
        }
    }

    private static func shape(of source: Source, _ found: [String: [Int]]) -> [Int]? {
        switch source {
        case .tensor(let name), .sumWithFirstRow(let name, _): return found[name]
        case .reshaped(let name, let shape):
            return found[name]?.reduce(1, *) == shape.reduce(1, *) ? shape : found[name]
        case .transposed(let name): return found[name]?.reversed()
        case .joined(let names):
            let parts = names.compactMap { found[$0] }
            guard parts.count == names.count, let first = parts.first, !first.isEmpty,
                parts.allSatisfy({ $0.dropFirst() == first.dropFirst() })
            else { return nil }
            return [parts.reduce(0) { $0 + $1[0] }] + first.dropFirst()
        case .rows(_, _, let shape): return shape
        }
    }

    package func tensor(named name: String) throws -> Tensor? {
        guard let source = sources[name], let shape = shapes[name] else { return nil }
        switch source {
        case .tensor(let original): return try file.tensor(named: original)
        case .reshaped(let original, _):
            return try file.tensor(named: original).map { Tensor(shape: shape, values: $0.values) }
        case .transposed(let original):
            return try file.tensor(named: original).flatMap { $0.shape.count == 2 ? $0.transposed : nil }
        case .joined(let originals):
            let parts = try originals.compactMap { try file.tensor(named: $0) }
            return Tensor(shape: shape, values: parts.flatMap(\.values))
        case .rows(let original, let rows, _):
            guard let whole = try file.tensor(named: original) else { return nil }
            let size = shape.reduce(1, *) / max(1, rows.count)
            guard whole.count >= rows.upperBound * size else { return nil }
            return Tensor(shape: shape, values: Array(whole.values[rows.lowerBound * size..<rows.upperBound * size]))
        case .sumWithFirstRow(let original, let other):
            guard var sum = try file.tensor(named: original), let addend = try file.tensor(named: other),
                addend.count >= sum.count
            else { return nil }
            for index in sum.values.indices { sum.values[index] += addend.values[index] }
            return sum
        }
    }
}

extension RenamedWeights {
    /// All schemes, the most specific first.
    static var schemes: [Scheme] { transformerSchemes + convolutionalSchemes }

    static let anchors = schemes.map(\.anchor)

    /// Renames tensors; names for which `rename` returns nil are kept.
    static func renamed(_ found: [String: [Int]], _ rename: (String) -> String?) -> [String: Source] {
        Dictionary(found.keys.map { (rename($0) ?? $0, .tensor($0)) }, uniquingKeysWith: { first, _ in first })
    }
}

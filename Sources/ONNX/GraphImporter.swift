import Foundation
import NeuralNetwork
import ONNXMessages

/// Converts the nodes of an ONNX model to a graph for one image: the file's batch dimension is treated as 1, and plans
/// choose their own batch size. Rearrangements become views; scalar functions are collected until another operator
/// reads them; other operators become nodes. Unsupported nodes are recorded, and are an error only if a requested
/// output depends on them.
struct GraphImporter {
    enum Value {
        case constant(Constant), value(Graph.NodeID, TensorView, ScalarFunction)
        /// Attention scores before or after softmax.
        case scores(AttentionScores, isSoft: Bool)
        case refused([ImportError.Refusal])
    }

    /// A stored or computed constant, read on demand.
    struct Constant {
        let shape: [Int]
        let load: @Sendable () throws -> ConstantTensor
        /// Whether the elements are in memory.
        var isLoaded = false
        /// Nesting depth of computed constants.
        var depth = 1

        var count: Int { shape.reduce(1, *) }

        init(shape: [Int], load: @escaping @Sendable () throws -> ConstantTensor) {
            (self.shape, self.load) = (shape, load)
        }

        init(repeating value: Double, count: Int) {
            self.init(shape: [count]) {
                ConstantTensor(shape: [count], numbers: [Float](repeating: Float(value), count: count))
            }
        }
    }

    /// A parameter of the graph with the source of its elements.
    struct Parameter: Sendable {
        let shape: [Int]
        let load: @Sendable () throws -> Tensor
    }

    struct Refused: Error {
        let reason: String
        var inherited: [ImportError.Refusal] = []

        init(_ reason: String) { self.reason = reason }
        init(inherited: [ImportError.Refusal]) { (reason, self.inherited) = ("", inherited) }
    }

    let file: ModelFile
    var builder = GraphBuilder()
    var values: [String: Value] = [:], parameters: [String: Parameter] = [:]
    /// Number of readers of each value.
    var consumers: [String: Int] = [:]
    /// The node of the file that computes each value.
    var producers: [String: NodeProto] = [:]
    /// Per-channel scales and shifts that may absorb further ones.
    var affines: [Graph.NodeID: Affine] = [:]
    var bareProducts: [Graph.NodeID: BareProduct] = [:]
    /// Normalisations that may absorb following scales and shifts.
    var normalizations: [Graph.NodeID: Normalization] = [:]
    var tokenParts: [Graph.NodeID: TokenParts] = [:]
    /// Zero padding of images, to be absorbed by the convolution that reads it.
    var paddings: [Graph.NodeID: (of: Graph.NodeID, pads: [Int])] = [:]

    /// Scale and shift of an integer input, to be applied when pixels are converted.
    var inputAffine: Affine?
    var isBlueFirst = false
    private var pixels: Graph.NodeID?

    let budget: ImportBudget

    init(_ file: ModelFile) {
        self.file = file
        budget = ImportBudget(stored: file.storedElements)
    }

    /// Whether a node is the file's integer input before its scale and shift.
    func isPixels(_ node: Graph.NodeID) -> Bool { node == pixels }

    /// The graph; all accessible values are outputs. `imageSize`: side in pixels, if the file leaves it open.
    mutating func graph(imageSize: Int) throws -> Graph {
        guard (1...ImportBudget.imageSize).contains(imageSize) else {
            throw ImportError.malformed(file: file.path, reason: "it cannot take images of \(imageSize) pixels")
        }
        try readInput(imageSize: imageSize)
        for (name, tensor) in file.tensors { values[name] = .constant(stored(tensor)) }
        for node in file.nodes {
            for input in Set(node.input) where !input.isEmpty { consumers[input, default: 0] += 1 }
        }
        for output in file.graph.output { consumers[output.name, default: 0] += 1 }
        for node in file.nodes { try read(node) }
        return builder.build(outputs: outputs())
    }

    /// Values with a layout that graphs support.
    private mutating func outputs() -> [String: Graph.NodeID] {
        for output in file.graph.output {
            // A value that cannot be arranged is omitted; requesting it reports the reason.
            if let (node, view) = try? realized(output.name), let own = try? arranged(node, view) {
                values[output.name] = .value(own, TensorView(builder.shape(of: own)), .identity)
            }
        }
        for name in file.nodes.flatMap(\.output) {
            // Inner values too, if they are accessible.
            if case .value(let node, _, let function)? = values[name], !function.isIdentity, paddings[node] == nil {
                _ = try? realized(name)
            }
        }
        var outputs: [String: Graph.NodeID] = [:]
        for (name, value) in values {
            guard case .value(let node, let view, let function) = value, function.isIdentity, paddings[node] == nil
            else { continue }
            let own = TensorView(builder.shape(of: node))
            if view == own || view.squeezed == own.squeezed || pixels(view, of: builder.shape(of: node)) == true {
                outputs[name] = node
            }
        }
        return outputs
    }

    /// Reasons why a value is not accessible.
    mutating func refusals(of name: String) -> [ImportError.Refusal] {
        switch values[name] {
        case .refused(let refusals)?: return refusals
        case nil: return [.init(node: name, type: "value", reason: "it has no value of that name")]
        default:
            do {
                let (node, view) = try realized(name)
                _ = try arranged(node, view)
                let type = producers[name]?.opType ?? "value"
                return [.init(node: name, type: type, reason: "its layout is not that of features")]
            } catch {
                let reason = (error as? Refused)?.reason ?? error.localizedDescription
                return [.init(node: name, type: producers[name]?.opType ?? "value", reason: reason)]
            }
        }
    }

    // MARK: - Input

    private mutating func readInput(imageSize: Int) throws {
        let inputs = file.graph.input.filter { file.tensors[$0.name] == nil }
        let images = inputs.compactMap { input in Self.imageInput(input).map { (input.name, $0) } }
        guard let (name, image) = images.first, images.count == 1 else {
            throw ImportError.malformed(
                file: file.path, reason: "it does not take a single input of images with three channels")
        }
        let size = image.size ?? imageSize
        let input = builder.input(.image(channels: 3, height: size, width: size), name: name)
        let digits = TensorView(builder.shape(of: input)).dimensions
        let isWhole = inputs.first { $0.name == name }?.type.tensorType.elemType == 2
        if isWhole, file.nodes.filter({ $0.input.contains(name) && $0.opType != "Shape" }).count == 1 {
            pixels = input
            inputAffine = Affine(input: input, scale: nil, shift: nil)
        }
        let batch = [[TensorView.Digit]](repeating: [], count: image.rank - 3)
        let view = TensorView(
            dimensions: batch + (image.isChannelsLast ? [digits[2], digits[3], digits[1]] : Array(digits[1...])))
        values[name] = .value(input, view, .identity)
        for other in inputs where other.name != name {
            values[other.name] = .refused([
                .init(node: other.name, type: "input", reason: "only images are supported as input")
            ])
        }
    }

    /// Rank, layout and side of an image input; the side is nil if it is variable.
    static func imageInput(_ input: ValueInfoProto) -> (rank: Int, isChannelsLast: Bool, size: Int?)? {
        let lengths = input.type.tensorType.shape.dim.map { $0.dimValue > 0 ? Int(clamping: $0.dimValue) : nil }
        guard (4...5).contains(lengths.count), lengths.dropLast(3).allSatisfy({ $0 == nil || $0 == 1 }) else {
            return nil
        }
        let own = Array(lengths.suffix(3))
        let isChannelsLast = own[0] != 3
        guard own[isChannelsLast ? 2 : 0] == 3 else { return nil }
        let sides = isChannelsLast ? [own[0], own[1]] : [own[1], own[2]]
        guard sides[0] == sides[1], sides[0].map({ (1...4096).contains($0) }) ?? true else { return nil }
        return (lengths.count, isChannelsLast, sides[0])
    }

    private func stored(_ tensor: TensorProto) -> Constant {
        let file = file
        return Constant(shape: tensor.dims.map { Int($0) }) { try file.values(of: tensor) }
    }

    // MARK: - Nodes

    private mutating func read(_ node: NodeProto) throws {
        for input in node.input where !input.isEmpty && values[input] == nil {
            throw ImportError.malformed(
                file: file.path, reason: "\(Self.name(node)) reads \(input), which no earlier node computes")
        }
        for output in node.output where !output.isEmpty {
            guard values[output] == nil else {
                throw ImportError.malformed(file: file.path, reason: "\(output) is computed twice")
            }
            producers[output] = node
        }
        do {
            let made = try converted(node)
            for (name, value) in zip(node.output, made) where !name.isEmpty { values[name] = value }
            for name in node.output.dropFirst(made.count) where !name.isEmpty {
                values[name] = .refused([refusal(node, "only its first outputs are supported")])
            }
        } catch let refused as Refused {
            var seen: Set<String> = []
            let reasons =
                refused.inherited.isEmpty
                ? [refusal(node, refused.reason)] : refused.inherited.filter { seen.insert($0.node).inserted }
            for output in node.output where !output.isEmpty { values[output] = .refused(reasons) }
        }
    }

    private func refusal(_ node: NodeProto, _ reason: String) -> ImportError.Refusal {
        .init(node: Self.name(node), type: node.opType, reason: reason)
    }

    static func name(_ node: NodeProto) -> String { node.name.isEmpty ? node.output.first ?? node.opType : node.name }

    private mutating func converted(_ node: NodeProto) throws -> [Value] {
        guard node.domain.isEmpty || node.domain == "ai.onnx" else {
            throw Refused("it belongs to the domain \(node.domain), not to the standard operators")
        }
        guard node.opType == "Constant" || node.input.first.map({ !$0.isEmpty }) ?? false else {
            throw Refused("it has no input")
        }
        let inputs = node.input.map { $0.isEmpty ? nil : values[$0] }
        let call = Call(node: node, inputs: inputs, operatorSet: file.operatorSet)
        if let pattern = try normalizationPattern(call) { return [pattern] }
        let refused = inputs.flatMap { input -> [ImportError.Refusal] in
            if case .refused(let reasons)? = input { return reasons }
            return []
        }
        if !refused.isEmpty { throw Refused(inherited: Array(refused.prefix(8))) }
        if let constants = try folded(call) { return constants.map { .constant($0) } }
        if let arranged = try arrangement(call) { return arranged }
        if let result = try attention(call) { return [result] }
        if let result = try elementwise(call) { return [result] }
        return [try layer(call)]
    }

    // MARK: - Values

    /// A value with its function applied, as a node and a view of it.
    mutating func realized(_ name: String) throws -> (Graph.NodeID, TensorView) {
        guard case .value(let node, let view, let function)? = values[name] else {
            if case .refused(let reasons)? = values[name] { throw Refused(inherited: reasons) }
            throw Refused("it reads \(name), which is not an image")
        }
        if function.isIdentity { return (node, view) }
        let own = try applied(function, node, view, name: name)
        values[name] = .value(own.0, own.1, .identity)
        return own
    }

    /// The node of an input in a graph's layout.
    mutating func input(_ call: Call, _ index: Int = 0) throws -> Graph.NodeID {
        let (node, view) = try realized(call.node.input[index])
        return try arranged(node, view)
    }

    func plain(_ node: Graph.NodeID) -> Value { .value(node, TensorView(builder.shape(of: node)), .identity) }

    mutating func parameter(_ name: String, _ shape: [Int], _ load: @escaping @Sendable () throws -> Tensor)
        -> (name: String, shape: [Int])
    {
        parameters[name] = Parameter(shape: shape, load: load)
        return (name, shape)
    }

    /// A constant as a parameter, optionally reshaped.
    mutating func parameter(_ name: String, _ constant: Constant, shape: [Int]? = nil) -> (name: String, shape: [Int]) {
        let shape = shape ?? constant.shape
        return parameter(name, shape) { Tensor(shape: shape, values: try constant.load().numbers) }
    }
}

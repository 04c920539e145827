import Foundation
import ONNXMessages

/// Builds an ONNX model node by node, and writes it with its weights. Weights are written as they are added, so that
/// memory is limited to the largest layer: inside the model if it stays below 2 GB, protobuf's limit, otherwise to a
/// second file beside it.
package final class ModelWriter {
    /// The operator set of exported files; onnxruntime supports it since 1.12, OpenVINO since 2022.2.
    static let operatorSet = 17
    /// Maximum size of a model with inline weights, in bytes.
    package static let inlineLimit = 1_900_000_000

    /// The name of an input, a weight, or a node's output.
    package struct Value: Sendable, Hashable { let name: String }

    /// Element types with their codes in `TensorProto.DataType`.
    package enum Element: Int32, Sendable {
        case float32 = 1
        case uint8
        case int64 = 7
        case bool = 9
        case float16
        case bfloat16 = 16
    }

    package enum WeightFormat: String, Sendable, CaseIterable {
        case f32
        /// Half precision; the runtime converts it to `f32` when it loads the model.
        case f16
    }

    package enum Dimension: Sendable, ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
        case fixed(Int), named(String)

        package init(integerLiteral value: Int) { self = .fixed(value) }
        package init(stringLiteral value: String) { self = .named(value) }
    }

    let target: Target
    private var graph = GraphProto()
    private var initializers: [TensorProto] = []
    private var model = ModelProto()
    private let format: WeightFormat
    private let externalData: ExternalData?
    private var names: Set<String> = [], constants: [[Int]: Value] = [:]

    /// `path`: of the file, which is replaced when `write` ends. `weightBytes`: approximate size of the weights.
    /// `inlineLimit`: size in bytes above which weights go to a separate file, `path.data`. `target`: the runtime.
    package init(
        path: String, weights format: WeightFormat, weightBytes: Int, inlineLimit: Int = ModelWriter.inlineLimit,
        target: Target = .anyone
    ) throws {
        (self.format, self.target, self.path) = (format, target, path)
        externalData = weightBytes > inlineLimit ? try ExternalData(path: path + ".data") : nil
        model.irVersion = 8
        model.producerName = "zoetrope"
        model.opsetImport = target.operatorSets
    }

    package let path: String

    // MARK: - Values

    package func input(_ name: String, _ element: Element, _ shape: [Dimension]) -> Value {
        graph.input.append(Self.information(unique(name), element, shape))
        return Value(name: name)
    }

    package func output(_ name: String, _ value: Value, _ element: Element, _ shape: [Dimension]) {
        var node = NodeProto()
        (node.opType, node.name, node.input, node.output) = ("Identity", name + ".output", [value.name], [name])
        graph.node.append(node)
        graph.output.append(Self.information(name, element, shape))
    }

    /// States the shape of an inner value.
    func annotate(_ value: Value, _ shape: [Int]) {
        graph.valueInfo.append(Self.information(value.name, target.element, shape.map { .fixed($0) }))
    }

    static func information(_ name: String, _ element: Element, _ shape: [Dimension]) -> ValueInfoProto {
        var information = ValueInfoProto()
        information.name = name
        information.type.tensorType.elemType = element.rawValue
        information.type.tensorType.shape.dim = shape.map { dimension in
            var own = TensorShapeProto.Dimension()
            switch dimension {
            case .fixed(let length): own.dimValue = Int64(length)
            case .named(let name): own.dimParam = name
            }
            return own
        }
        return information
    }

    func nodes(
        _ type: String, _ inputs: [Value], _ attributes: [Attribute] = [], name: String, outputs: Int,
        domain: String = ""
    ) -> [Value] {
        var node = NodeProto()
        (node.opType, node.domain) = (type, domain)
        node.name = unique(name)
        node.input = inputs.map(\.name)
        node.attribute = attributes.map(\.message)
        node.output = (0..<outputs).map { outputs == 1 ? node.name : "\(node.name).\($0)" }
        graph.node.append(node)
        return node.output.map(Value.init)
    }

    /// The body of a loop node such as `Scan`; it can use the model's weights.
    func body(
        _ name: String, _ inputs: [(String, Element, [Dimension])],
        _ make: ([Value]) throws -> [(Value, Element, [Dimension])]
    ) rethrows -> GraphProto {
        let outer = graph
        defer { graph = outer }
        graph = GraphProto()
        graph.name = name
        let values = inputs.map { input($0.0, $0.1, $0.2) }
        for (index, (value, element, shape)) in try make(values).enumerated() {
            output("\(name).output\(index)", value, element, shape)
        }
        return graph
    }

    private func unique(_ name: String) -> String {
        var (own, number) = (name, 2)
        while !names.insert(own).inserted {
            own = "\(name)_\(number)"
            number += 1
        }
        return own
    }

    // MARK: - Weights

    /// Trained parameters, in the model's weight format. Throws `ExportError.notWritable`.
    func weight(_ name: String, shape: [Int], _ values: [Float]) throws -> Value {
        guard format == .f16 else { return try constant(name, shape: shape, values, target.element) }
        let halves = values.map { Float16(max(-65504, min(65504, $0))) }
        let stored = try store(unique(name + ".f16"), .float16, shape, halves.withUnsafeBytes { Data($0) })
        return node("Cast", [stored], [.integer("to", Int(Element.float32.rawValue))], name: name)
    }

    /// A constant in the given type. Throws `ExportError.notWritable`.
    func constant(_ name: String, shape: [Int], _ values: [Float], _ element: Element = .float32) throws -> Value {
        try store(unique(name), element, shape, element.bytes(values))
    }

    /// An integer constant, such as a shape; equal ones are stored once.
    func integers(_ values: [Int]) -> Value {
        if let known = constants[values] { return known }
        let name = unique("integers." + values.map(String.init).joined(separator: "."))
        let bytes = values.map(Int64.init).withUnsafeBytes { Data($0) }
        let value = inline(name, .int64, [values.count], bytes)
        constants[values] = value
        return value
    }

    /// A scalar in the model's element type.
    func number(_ name: String, _ value: Float) -> Value {
        inline(unique(name), target.element, [], target.element.bytes([value]))
    }

    private func store(_ name: String, _ element: Element, _ shape: [Int], _ bytes: Data) throws -> Value {
        guard let externalData, bytes.count >= 1024 else { return inline(name, element, shape, bytes) }
        var tensor = TensorProto(name, dataType: element.rawValue, shape: shape)
        let offset = try externalData.append(bytes)
        tensor.dataLocation = .external
        tensor.externalData = [
            .init("location", externalData.name), .init("offset", "\(offset)"), .init("length", "\(bytes.count)"),
        ]
        initializers.append(tensor)
        return Value(name: name)
    }

    private func inline(_ name: String, _ element: Element, _ shape: [Int], _ bytes: Data) -> Value {
        var tensor = TensorProto(name, dataType: element.rawValue, shape: shape)
        tensor.rawData = bytes
        initializers.append(tensor)
        return Value(name: name)
    }

    // MARK: - Writing    // MARK: - Writing

    /// Writes the model, and its weight file if there is one, atomically. `name`: of the graph. `version`: of this
    /// program. `metadata`: the model's `metadata_props`. Throws `ExportError.notWritable`.
    package func write(name: String, version: String, metadata: [String: String]) throws {
        graph.name = name
        graph.initializer = initializers
        model.producerVersion = version
        model.graph = graph
        model.metadataProps = metadata.sorted { $0.key < $1.key }.map(StringStringEntryProto.init)
        try externalData?.finish()
        do {
            try model.serializedData().write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch { throw ExportError.notWritable(path: path, reason: error.localizedDescription) }
        if externalData == nil { try? FileManager.default.removeItem(atPath: path + ".data") }
    }
}

enum Attribute: Sendable {
    case integer(String, Int), integers(String, [Int]), number(String, Float), graph(String, GraphProto)

    var message: AttributeProto {
        var message = AttributeProto()
        switch self {
        case .integer(let name, let value): (message.name, message.type, message.i) = (name, .int, Int64(value))
        case .integers(let name, let values):
            (message.name, message.type, message.ints) = (name, .ints, values.map(Int64.init))
        case .number(let name, let value): (message.name, message.type, message.f) = (name, .float, value)
        case .graph(let name, let body): (message.name, message.type, message.g) = (name, .graph, body)
        }
        return message
    }
}

import Foundation

// ONNX' messages with the names and numbers of its file onnx.proto; what no reader or writer here needs is left out.

/// A network with what is to be known about it.
public struct ModelProto: ProtobufMessage {
    /// Version of the format.
    public var irVersion: Int64 = 0
    /// Sets of operators that the graph's nodes are from.
    public var opsetImport: [OperatorSetIdProto] = []
    /// Program that wrote it.
    public var producerName = ""
    /// Its version.
    public var producerVersion = ""
    /// The network.
    public var graph = GraphProto()
    /// Anything else.
    public var metadataProps: [StringStringEntryProto] = []

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: irVersion = try field.integer()
        case 2: producerName = try field.text()
        case 3: producerVersion = try field.text()
        case 7: try field.merge(into: &graph)
        case 8: opsetImport.append(try field.message())
        case 14: metadataProps.append(try field.message())
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, irVersion)
        writer.write(2, producerName)
        writer.write(3, producerVersion)
        writer.write(7, graph)
        writer.write(8, opsetImport)
        writer.write(14, metadataProps)
    }
}

/// A set of operators.
public struct OperatorSetIdProto: ProtobufMessage {
    /// Empty for ONNX' own.
    public var domain = ""
    /// From 1.
    public var version: Int64 = 0

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: domain = try field.text()
        case 2: version = try field.integer()
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, domain)
        writer.write(2, version)
    }
}

/// A name with what it stands for.
public struct StringStringEntryProto: ProtobufMessage {
    /// The name.
    public var key = ""
    /// What it stands for.
    public var value = ""

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: key = try field.text()
        case 2: value = try field.text()
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, key)
        writer.write(2, value)
    }
}

/// Nodes in an order in which they can be computed.
public struct GraphProto: ProtobufMessage {
    /// What is computed.
    public var node: [NodeProto] = []
    /// Its name.
    public var name = ""
    /// Constants.
    public var initializer: [TensorProto] = []
    /// What comes from outside.
    public var input: [ValueInfoProto] = []
    /// What is wanted.
    public var output: [ValueInfoProto] = []
    /// What is known of values between.
    public var valueInfo: [ValueInfoProto] = []

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: node.append(try field.message())
        case 2: name = try field.text()
        case 5: initializer.append(try field.message())
        case 11: input.append(try field.message())
        case 12: output.append(try field.message())
        case 13: valueInfo.append(try field.message())
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, node)
        writer.write(2, name)
        writer.write(5, initializer)
        writer.write(11, input)
        writer.write(12, output)
        writer.write(13, valueInfo)
    }
}

/// An operator with the values that it reads and makes.
public struct NodeProto: ProtobufMessage {
    /// Names; empty ones are left out.
    public var input: [String] = []
    /// Names.
    public var output: [String] = []
    /// Its own.
    public var name = ""
    /// Of the operator.
    public var opType = ""
    /// Of the operator's set.
    public var domain = ""
    /// What is fixed.
    public var attribute: [AttributeProto] = []

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: input.append(try field.text())
        case 2: output.append(try field.text())
        case 3: name = try field.text()
        case 4: opType = try field.text()
        case 5: attribute.append(try field.message())
        case 7: domain = try field.text()
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, input)
        writer.write(2, output)
        writer.write(3, name)
        writer.write(4, opType)
        writer.write(5, attribute)
        writer.write(7, domain)
    }
}

/// Something fixed of an operator.
public struct AttributeProto: ProtobufMessage {
    /// What it holds.
    public enum AttributeType: Int, Sendable {
        case undefined = 0
        case float, int, string, tensor, graph, floats, ints, strings, tensors, graphs
    }

    /// Its name.
    public var name = ""
    /// Which of the others counts.
    public var type = AttributeType.undefined
    /// A number with a point.
    public var f: Float = 0
    /// A whole number.
    public var i: Int64 = 0
    /// Text.
    public var s = Data()
    /// A constant.
    public var t: TensorProto {
        get { tensor.first ?? TensorProto() }
        set { tensor = [newValue] }
    }
    /// A graph.
    public var g: GraphProto {
        get { graph.first ?? GraphProto() }
        set { graph = [newValue] }
    }
    /// Numbers with a point.
    public var floats: [Float] = []
    /// Whole numbers.
    public var ints: [Int64] = []
    /// Texts.
    public var strings: [Data] = []

    /// Whether there is a constant.
    public var hasT: Bool { !tensor.isEmpty }

    // At most one of each; lists, as a graph's attribute may hold a graph.
    private var tensor: [TensorProto] = []
    private var graph: [GraphProto] = []

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: name = try field.text()
        case 2: f = try field.float()
        case 3: i = try field.integer()
        case 4: s = try field.bytes()
        case 5: t = try field.message()
        case 6: g = try field.message()
        case 7: try field.append(to: &floats)
        case 8: try field.append(to: &ints)
        case 9: strings.append(try field.bytes())
        case 20: type = AttributeType(rawValue: Int(try field.integer())) ?? .undefined
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, name)
        writer.write(2, f)
        writer.write(3, i)
        writer.write(4, s)
        writer.write(5, tensor)
        writer.write(6, graph)
        writer.write(7, floats)
        writer.write(8, ints)
        writer.write(9, strings)
        writer.write(20, type.rawValue)
    }
}

import Foundation

// ONNX' messages with the names and numbers of onnx.proto; unused fields are omitted.

package struct ModelProto: ProtobufMessage {
    package var irVersion: Int64 = 0
    package var opsetImport: [OperatorSetIdProto] = []
    package var producerName = ""
    package var producerVersion = ""
    package var graph = GraphProto()
    package var metadataProps: [StringStringEntryProto] = []

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
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

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, irVersion)
        writer.write(2, producerName)
        writer.write(3, producerVersion)
        writer.write(7, graph)
        writer.write(8, opsetImport)
        writer.write(14, metadataProps)
    }
}

package struct OperatorSetIdProto: ProtobufMessage {
    /// Empty for ONNX' own operators.
    package var domain = ""
    package var version: Int64 = 0

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: domain = try field.text()
        case 2: version = try field.integer()
        default: break
        }
    }

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, domain)
        writer.write(2, version)
    }
}

package struct StringStringEntryProto: ProtobufMessage {
    package var key = ""
    package var value = ""

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: key = try field.text()
        case 2: value = try field.text()
        default: break
        }
    }

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, key)
        writer.write(2, value)
    }
}

/// Nodes in topological order.
package struct GraphProto: ProtobufMessage {
    package var node: [NodeProto] = []
    package var name = ""
    package var initializer: [TensorProto] = []
    package var input: [ValueInfoProto] = []
    package var output: [ValueInfoProto] = []
    /// Types of inner values.
    package var valueInfo: [ValueInfoProto] = []

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
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

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, node)
        writer.write(2, name)
        writer.write(5, initializer)
        writer.write(11, input)
        writer.write(12, output)
        writer.write(13, valueInfo)
    }
}

package struct NodeProto: ProtobufMessage {
    /// Names; empty ones are omitted optional inputs.
    package var input: [String] = []
    package var output: [String] = []
    package var name = ""
    package var opType = ""
    package var domain = ""
    package var attribute: [AttributeProto] = []

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
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

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, input)
        writer.write(2, output)
        writer.write(3, name)
        writer.write(4, opType)
        writer.write(5, attribute)
        writer.write(7, domain)
    }
}

package struct AttributeProto: ProtobufMessage {
    package enum AttributeType: Int, Sendable {
        case undefined = 0, float, int, string, tensor, graph, floats, ints, strings, tensors, graphs
    }

    package var name = ""
    /// Which of the fields is set.
    package var type = AttributeType.undefined
    package var f: Float = 0
    package var i: Int64 = 0
    package var s = Data()
    package var t: TensorProto {
        get { tensor.first ?? TensorProto() }
        set { tensor = [newValue] }
    }
    package var g: GraphProto {
        get { graph.first ?? GraphProto() }
        set { graph = [newValue] }
    }
    package var floats: [Float] = []
    package var ints: [Int64] = []
    package var strings: [Data] = []

    package var hasT: Bool { !tensor.isEmpty }

    // At most one of each; arrays, because the type is recursive.
    private var tensor: [TensorProto] = []
    private var graph: [GraphProto] = []

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
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

    package func write(to writer: inout ProtobufWriter) {
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

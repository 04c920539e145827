import Foundation

// ONNX' messages with the names and numbers of onnx.proto; unused fields are omitted.

package struct ModelProto: ProtobufMessage {
    package var irVersion: Int64 = 0, opsetImport: [OperatorSetIdProto] = [], producerName = ""
    package var producerVersion = ""
    package var graph = GraphProto()
    package var metadataProps: [StringStringEntryProto] = []

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &irVersion)
        fields(2, &producerName)
        fields(3, &producerVersion)
        fields(7, &graph)
        fields(8, &opsetImport)
        fields(14, &metadataProps)
    }
}

package struct OperatorSetIdProto: ProtobufMessage {
    /// Empty for ONNX' own operators.
    package var domain = ""
    package var version: Int64 = 0

    package init() {}

    package init(domain: String = "", version: Int) { (self.domain, self.version) = (domain, Int64(version)) }

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &domain)
        fields(2, &version)
    }
}

package struct StringStringEntryProto: ProtobufMessage {
    package var key = "", value = ""

    package init() {}

    package init(_ key: String, _ value: String) { (self.key, self.value) = (key, value) }

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &key)
        fields(2, &value)
    }
}

/// Nodes in topological order.
package struct GraphProto: ProtobufMessage {
    package var node: [NodeProto] = [], name = "", initializer: [TensorProto] = []
    package var input: [ValueInfoProto] = [], output: [ValueInfoProto] = []
    /// Types of inner values.
    package var valueInfo: [ValueInfoProto] = []

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &node)
        fields(2, &name)
        fields(5, &initializer)
        fields(11, &input)
        fields(12, &output)
        fields(13, &valueInfo)
    }
}

package struct NodeProto: ProtobufMessage {
    /// Names; empty ones are omitted optional inputs.
    package var input: [String] = []
    package var output: [String] = [], name = "", opType = "", domain = "", attribute: [AttributeProto] = []

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &input)
        fields(2, &output)
        fields(3, &name)
        fields(4, &opType)
        fields(5, &attribute)
        fields(7, &domain)
    }
}

package struct AttributeProto: ProtobufMessage {
    package enum AttributeType: Int32, Sendable {
        case undefined = 0, float, int, string, tensor, graph, floats, ints, strings, tensors, graphs
    }

    package var name = ""
    /// Which of the fields is set.
    package var type = AttributeType.undefined
    package var f: Float = 0, i: Int64 = 0
    package var s = Data()
    package var t: TensorProto {
        get { tensor.first ?? TensorProto() }
        set { tensor = [newValue] }
    }
    package var g: GraphProto {
        get { graph.first ?? GraphProto() }
        set { graph = [newValue] }
    }
    package var floats: [Float] = [], ints: [Int64] = [], strings: [Data] = []

    package var hasT: Bool { !tensor.isEmpty }

    // At most one of each; arrays, because the type is recursive.
    private var tensor: [TensorProto] = []
    private var graph: [GraphProto] = []

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &name)
        fields(2, &f)
        fields(3, &i)
        fields(4, &s)
        fields(5, only: &tensor)
        fields(6, only: &graph)
        fields(7, &floats)
        fields(8, &ints)
        fields(9, &strings)
        fields(20, &type, unknown: .undefined)
    }
}

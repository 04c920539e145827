import Foundation
import ONNXMessages
import Testing

@Suite struct MessageTests {
    /// A message with every kind of field.
    static var model: ModelProto {
        var model = ModelProto()
        (model.irVersion, model.producerName, model.producerVersion) = (8, "zoetrope", "1 ½")
        model.opsetImport = [.init(version: 17)]
        var node = NodeProto()
        (node.input, node.output, node.opType) = (["x", "", "w"], ["y"], "Clip")
        var attribute = AttributeProto()
        (attribute.name, attribute.type, attribute.f, attribute.i) = ("all", .ints, -0.5, -3)
        (attribute.ints, attribute.floats) = ([0, -1, .max, .min], [1.5, -.infinity])
        (attribute.s, attribute.strings) = (Data([0, 255]), [Data(), Data("a".utf8)])
        var tensor = TensorProto()
        (tensor.name, tensor.dims, tensor.dataType) = ("w", [2, 0], 1)
        (tensor.rawData, tensor.floatData, tensor.doubleData) = (Data([1, 2, 3]), [2], [.pi])
        (tensor.int32Data, tensor.int64Data, tensor.dataLocation) = ([-7], [1 << 40], .external)
        attribute.t = tensor
        node.attribute = [attribute]
        model.graph.node = [node]
        model.graph.initializer = [tensor]
        var value = ValueInfoProto()
        (value.name, value.type.tensorType.elemType) = ("x", 1)
        var (fixed, named) = (TensorShapeProto.Dimension(), TensorShapeProto.Dimension())
        (fixed.dimValue, named.dimParam) = (3, "batch")
        value.type.tensorType.shape.dim = [fixed, named, TensorShapeProto.Dimension()]
        (model.graph.input, model.graph.valueInfo, model.graph.name) = ([value], [value, value], "g")
        return model
    }

    @Test("written messages are read back unchanged") func roundTrip() throws {
        let data = Self.model.serializedData()
        let model = try ModelProto(serializedBytes: data)
        #expect(model.serializedData() == data)
        let attribute = model.graph.node[0].attribute[0]
        #expect(model.graph.node[0].input == ["x", "", "w"])
        #expect(attribute.ints == [0, -1, .max, .min] && attribute.floats == [1.5, -.infinity])
        #expect(attribute.i == -3 && attribute.strings.count == 2 && attribute.hasT)
        #expect(attribute.t.int32Data == [-7] && attribute.t.doubleData == [.pi])
        #expect(model.graph.input[0].type.tensorType.shape.dim.map(\.dimParam) == ["", "batch", ""])
        #expect(model.producerVersion == "1 ½" && model.opsetImport[0].version == 17)
    }

    @Test("encoded bytes equal those of ONNX's own tools") func bytes() throws {
        var tensor = TensorProto()
        (tensor.dims, tensor.dataType, tensor.name) = ([300], 1, "w")
        tensor.floatData = [1]
        // As `onnx.helper` serialises it.
        let expected: [UInt8] = [0x0a, 2, 0xac, 2, 0x10, 1, 0x22, 4, 0, 0, 0x80, 0x3f, 0x42, 1, 0x77]
        #expect(Array(tensor.serializedData()) == expected)
        // A list may be encoded element by element, and fields in any order.
        let plain: [UInt8] = [0x42, 1, 0x77, 0x08, 2, 0x25, 0, 0, 0x80, 0x3f, 0x08, 3, 0x25, 0, 0, 0, 0x40]
        let read = try TensorProto(serializedBytes: Data(plain))
        #expect(read.dims == [2, 3] && read.floatData == [1, 2] && read.name == "w")
        // Unknown fields are skipped.
        let unknown: [UInt8] = [0xf8, 0x7f, 5, 0xf9, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0xfa, 0x7f, 1, 9, 0x10, 1]
        #expect(try TensorProto(serializedBytes: Data(unknown)).dataType == 1)
    }

    @Test(
        "damaged messages are rejected",
        arguments: [
            [0x0a], [0x0a, 5, 1], [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x00, 1],
            [0x0b, 1], [0x22, 3, 1, 2, 3], [0x42, 1, 0xff], [0x15, 1, 2],
        ] as [[UInt8]])
    func damaged(bytes: [UInt8]) {
        #expect(throws: ProtobufError.self) { try TensorProto(serializedBytes: Data(bytes)) }
    }

    @Test("nested graphs are read up to a maximum depth") func depth() throws {
        var graph = GraphProto()
        func nest() {
            for _ in 0..<20 {
                var (attribute, node, outer) = (AttributeProto(), NodeProto(), GraphProto())
                attribute.g = graph
                node.attribute = [attribute]
                outer.node = [node]
                graph = outer
            }
        }
        nest()
        #expect(try GraphProto(serializedBytes: graph.serializedData()).node.count == 1)
        nest()
        let data = graph.serializedData()
        #expect(throws: ProtobufError.self) { try GraphProto(serializedBytes: data) }
    }
}

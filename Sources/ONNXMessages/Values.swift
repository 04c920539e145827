import Foundation

package struct ValueInfoProto: ProtobufMessage {
    package var name = ""
    package var type = TypeProto()

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &name)
        fields(2, &type)
    }
}

/// The type of a value; here always a tensor.
package struct TypeProto: ProtobufMessage {
    package struct Tensor: ProtobufMessage {
        /// A raw value of `TensorProto.DataType`.
        package var elemType: Int32 = 0
        package var shape = TensorShapeProto()

        package init() {}

        package mutating func code(_ fields: inout ProtobufFields) {
            fields(1, &elemType)
            fields(2, &shape)
        }
    }

    package var tensorType = Tensor()

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) { fields(1, &tensorType) }
}

package struct TensorShapeProto: ProtobufMessage {
    package struct Dimension: ProtobufMessage {
        /// The length; 0 if it is symbolic.
        package var dimValue: Int64 = 0
        /// The symbolic name; empty if the length is known.
        package var dimParam = ""

        package init() {}

        package mutating func code(_ fields: inout ProtobufFields) {
            fields(1, &dimValue, always: dimParam.isEmpty)
            fields(2, &dimParam)
            // A oneof field: the last one wins.
            if fields.reads(1) { dimParam = "" }
            if fields.reads(2) { dimValue = 0 }
        }
    }

    package var dim: [Dimension] = []

    package init() {}

    package mutating func code(_ fields: inout ProtobufFields) { fields(1, &dim) }
}

/// A tensor, whose elements are in one of several fields.
package struct TensorProto: ProtobufMessage {
    package enum DataType: Int, Sendable {
        case undefined = 0
        case float, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64
        case complex128, bfloat16
    }

    package enum DataLocation: Int32, Sendable {
        case `default` = 0
        case external
    }

    package var dims: [Int64] = []
    /// A raw value of `DataType`.
    package var dataType: Int32 = 0
    package var name = ""
    /// Little-endian elements, unless they are in one of the lists below or in another file.
    package var rawData = Data()
    package var floatData: [Float] = []
    /// Elements of up to 32 bits.
    package var int32Data: [Int32] = []
    package var int64Data: [Int64] = [], doubleData: [Double] = []
    /// File, offset and length of external elements.
    package var externalData: [StringStringEntryProto] = []
    package var dataLocation = DataLocation.default

    package init() {}

    package init(_ name: String, dataType: Int32, shape: [Int]) {
        (self.name, self.dataType, dims) = (name, dataType, shape.map(Int64.init))
    }

    package mutating func code(_ fields: inout ProtobufFields) {
        fields(1, &dims)
        fields(2, &dataType)
        fields(4, &floatData)
        fields(5, &int32Data)
        fields(7, &int64Data)
        fields(8, &name)
        fields(9, &rawData)
        fields(10, &doubleData)
        fields(13, &externalData)
        fields(14, &dataLocation, unknown: .default)
    }
}

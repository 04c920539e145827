import Foundation

package struct ValueInfoProto: ProtobufMessage {
    package var name = ""
    package var type = TypeProto()

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: name = try field.text()
        case 2: try field.merge(into: &type)
        default: break
        }
    }

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, name)
        writer.write(2, type)
    }
}

/// The type of a value; here always a tensor.
package struct TypeProto: ProtobufMessage {
    package struct Tensor: ProtobufMessage {
        /// A raw value of `TensorProto.DataType`.
        package var elemType: Int32 = 0
        package var shape = TensorShapeProto()

        package init() {}

        package mutating func read(_ field: ProtobufField) throws {
            switch field.number {
            case 1: elemType = try field.integer32()
            case 2: try field.merge(into: &shape)
            default: break
            }
        }

        package func write(to writer: inout ProtobufWriter) {
            writer.write(1, elemType)
            writer.write(2, shape)
        }
    }

    package var tensorType = Tensor()

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        if field.number == 1 { try field.merge(into: &tensorType) }
    }

    package func write(to writer: inout ProtobufWriter) { writer.write(1, tensorType) }
}

package struct TensorShapeProto: ProtobufMessage {
    /// A length or a symbolic name.
    package struct Dimension: ProtobufMessage {
        /// The length; 0 if it is symbolic.
        package var dimValue: Int64 = 0
        /// The symbolic name; empty if the length is known.
        package var dimParam = ""

        package init() {}

        package mutating func read(_ field: ProtobufField) throws {
            // A oneof field: the last one wins.
            switch field.number {
            case 1: (dimValue, dimParam) = (try field.integer(), "")
            case 2: (dimValue, dimParam) = (0, try field.text())
            default: break
            }
        }

        package func write(to writer: inout ProtobufWriter) {
            writer.write(1, dimValue, always: dimParam.isEmpty)
            writer.write(2, dimParam)
        }
    }

    package var dim: [Dimension] = []

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        if field.number == 1 { dim.append(try field.message()) }
    }

    package func write(to writer: inout ProtobufWriter) { writer.write(1, dim) }
}

/// A tensor, whose elements are in one of several fields.
package struct TensorProto: ProtobufMessage {
    package enum DataType: Int, Sendable {
        case undefined = 0
        case float, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64
        case complex128, bfloat16
    }

    package enum DataLocation: Int, Sendable {
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
    package var int64Data: [Int64] = []
    package var doubleData: [Double] = []
    /// File, offset and length of external elements.
    package var externalData: [StringStringEntryProto] = []
    package var dataLocation = DataLocation.default

    package init() {}

    package mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: try field.append(to: &dims)
        case 2: dataType = try field.integer32()
        case 4: try field.append(to: &floatData)
        case 5: try field.append(to: &int32Data)
        case 7: try field.append(to: &int64Data)
        case 8: name = try field.text()
        case 9: rawData = try field.bytes()
        case 10: try field.append(to: &doubleData)
        case 13: externalData.append(try field.message())
        case 14: dataLocation = DataLocation(rawValue: Int(try field.integer())) ?? .default
        default: break
        }
    }

    package func write(to writer: inout ProtobufWriter) {
        writer.write(1, dims)
        writer.write(2, dataType)
        writer.write(4, floatData)
        writer.write(5, int32Data)
        writer.write(7, int64Data)
        writer.write(8, name)
        writer.write(9, rawData)
        writer.write(10, doubleData)
        writer.write(13, externalData)
        writer.write(14, dataLocation.rawValue)
    }
}

import Foundation

/// A value's name and type.
public struct ValueInfoProto: ProtobufMessage {
    /// Its name.
    public var name = ""
    /// Its type.
    public var type = TypeProto()

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        switch field.number {
        case 1: name = try field.text()
        case 2: try field.merge(into: &type)
        default: break
        }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
        writer.write(1, name)
        writer.write(2, type)
    }
}

/// What a value is; here always a tensor.
public struct TypeProto: ProtobufMessage {
    /// Elements and shape.
    public struct Tensor: ProtobufMessage {
        /// A raw value of `TensorProto.DataType`.
        public var elemType: Int32 = 0
        /// How long each axis is.
        public var shape = TensorShapeProto()

        /// Nothing yet.
        public init() {}

        /// Takes a field.
        public mutating func read(_ field: ProtobufField) throws {
            switch field.number {
            case 1: elemType = try field.integer32()
            case 2: try field.merge(into: &shape)
            default: break
            }
        }

        /// Writes what is not empty.
        public func write(to writer: inout ProtobufWriter) {
            writer.write(1, elemType)
            writer.write(2, shape)
        }
    }

    /// The tensor.
    public var tensorType = Tensor()

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        if field.number == 1 { try field.merge(into: &tensorType) }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) { writer.write(1, tensorType) }
}

/// How long each axis is.
public struct TensorShapeProto: ProtobufMessage {
    /// A length, or a name for one that is not known.
    public struct Dimension: ProtobufMessage {
        /// The length; 0 where only a name is known.
        public var dimValue: Int64 = 0
        /// The name; empty where the length is known.
        public var dimParam = ""

        /// Nothing yet.
        public init() {}

        /// Takes a field.
        public mutating func read(_ field: ProtobufField) throws {
            // Either one or the other: the later counts.
            switch field.number {
            case 1: (dimValue, dimParam) = (try field.integer(), "")
            case 2: (dimValue, dimParam) = (0, try field.text())
            default: break
            }
        }

        /// Writes what is not empty.
        public func write(to writer: inout ProtobufWriter) {
            writer.write(1, dimValue, always: dimParam.isEmpty)
            writer.write(2, dimParam)
        }
    }

    /// One for each axis.
    public var dim: [Dimension] = []

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
        if field.number == 1 { dim.append(try field.message()) }
    }

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) { writer.write(1, dim) }
}

/// Numbers, in one of several places.
public struct TensorProto: ProtobufMessage {
    /// What an element is.
    public enum DataType: Int, Sendable {
        case undefined = 0
        case float, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64, complex64
        case complex128, bfloat16
    }

    /// Where the numbers are.
    public enum DataLocation: Int, Sendable {
        case `default` = 0
        case external
    }

    /// Its shape.
    public var dims: [Int64] = []
    /// A raw value of `DataType`.
    public var dataType: Int32 = 0
    /// Its name.
    public var name = ""
    /// The numbers, little-endian; or they stand in one of the lists below, or in another file.
    public var rawData = Data()
    /// Numbers of `float`.
    public var floatData: [Float] = []
    /// Numbers of up to 32 bits.
    public var int32Data: [Int32] = []
    /// Numbers of 64 bits.
    public var int64Data: [Int64] = []
    /// Numbers of `double`.
    public var doubleData: [Double] = []
    /// The file that holds the numbers, and where in it.
    public var externalData: [StringStringEntryProto] = []
    /// Whether they are in another file.
    public var dataLocation = DataLocation.default

    /// Nothing yet.
    public init() {}

    /// Takes a field.
    public mutating func read(_ field: ProtobufField) throws {
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

    /// Writes what is not empty.
    public func write(to writer: inout ProtobufWriter) {
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

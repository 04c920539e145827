import Foundation
import ONNXMessages

/// An ONNX file, read and checked; weights are turned into numbers when somebody asks for them.
struct ModelFile: Sendable {
    let path: String
    let nodes: [NodeProto]
    let graph: GraphProto
    /// Initializers by name.
    let tensors: [String: TensorProto]
    let operatorSet: Int
    let metadata: [String: String]
    /// Files beside it that hold weights.
    let externalFiles: [String]

    /// The most elements that are computed while reading.
    static let foldingLimit = 1 << 26

    init(path: String) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
        } catch {
            throw ImportError.unreadable(file: path, reason: "it is not there, or may not be read")
        }
        let model: ModelProto
        do {
            model = try ModelProto(serializedBytes: data)
        } catch {
            throw ImportError.malformed(file: path, reason: "its messages are cut off or damaged")
        }
        try self.init(model, path: path)
    }

    /// - Parameter path: where files with weights are looked for.
    init(_ model: ModelProto, path: String) throws {
        func malformed(_ reason: String) -> ImportError { .malformed(file: path, reason: reason) }
        self.path = path
        graph = model.graph
        nodes = model.graph.node
        guard !nodes.isEmpty, !graph.output.isEmpty else { throw malformed("there is no graph in it") }
        guard let standard = model.opsetImport.first(where: { $0.domain.isEmpty || $0.domain == "ai.onnx" }) else {
            throw malformed("it does not say which operators it uses")
        }
        operatorSet = Int(clamping: standard.version)
        guard (7...30).contains(operatorSet) else {
            throw malformed("its operator set \(standard.version) is not one from 7 to 30")
        }
        metadata = Dictionary(model.metadataProps.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        tensors = Dictionary(graph.initializer.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var files: Set<String> = []
        for tensor in graph.initializer where tensor.dataLocation == .external {
            files.insert(try Self.externalPath(tensor, beside: path))
        }
        externalFiles = files.sorted()
        for tensor in graph.initializer { _ = try Self.check(tensor, path) }
    }

    // MARK: - Tensors

    private static func entries(_ tensor: TensorProto) -> [String: String] {
        Dictionary(tensor.externalData.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    /// A file in the model's own folder or below, and no link that leads out of it.
    private static func externalPath(_ tensor: TensorProto, beside path: String) throws -> String {
        let location = entries(tensor)["location"] ?? ""
        let parts = location.split(separator: "/", omittingEmptySubsequences: false)
        guard !location.isEmpty, !location.contains("\0"), !parts.contains(where: { ["..", ".", ""].contains($0) })
        else {
            throw ImportError.malformed(
                file: path, reason: "\(tensor.name) lies outside of its folder, in \"\(location)\"")
        }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().resolvingSymlinksInPath()
        let file = folder.appendingPathComponent(location).resolvingSymlinksInPath()
        guard file.path.hasPrefix(folder.path == "/" ? "/" : folder.path + "/") else {
            throw ImportError.malformed(
                file: path, reason: "\(tensor.name) lies outside of its folder, in \"\(location)\"")
        }
        return file.path
    }

    private static func bytesPerElement(_ type: Int32) -> Int? {
        switch TensorProto.DataType(rawValue: Int(type)) {
        case .float, .int32: 4
        case .float16, .bfloat16: 2
        case .double, .int64: 8
        case .uint8, .int8, .bool: 1
        default: nil
        }
    }

    /// The shape, where the tensor holds as many elements as that asks for.
    private static func check(_ tensor: TensorProto, _ path: String) throws -> [Int] {
        func malformed(_ reason: String) -> ImportError { .malformed(file: path, reason: "\(tensor.name) \(reason)") }
        guard let size = bytesPerElement(tensor.dataType) else {
            throw malformed("has elements of a type not known here")
        }
        var count = 1
        for dimension in tensor.dims {
            let (product, overflows) = count.multipliedReportingOverflow(by: Int(clamping: dimension))
            guard dimension >= 0, !overflows, product < 1 << 40 else { throw malformed("has an impossible shape") }
            count = product
        }
        let stored: Int
        if tensor.dataLocation == .external {
            let entries = entries(tensor)
            stored = entries["length"].flatMap(Int.init) ?? count * size
            let offset = entries["offset"].map { Int($0) ?? -1 } ?? 0
            guard offset >= 0 else { throw malformed("has an impossible place in its file") }
            let file = try externalPath(tensor, beside: path)
            let attributes = try? FileManager.default.attributesOfItem(atPath: file)
            guard let length = attributes?[.size] as? Int else {
                throw ImportError.unreadable(file: file, reason: "it is not there, but \(path) keeps weights in it")
            }
            guard stored >= 0, stored <= length, offset <= length - stored else {
                throw malformed("lies beyond the end of its file")
            }
        } else if !tensor.rawData.isEmpty {
            stored = tensor.rawData.count
        } else {
            let elements =
                [
                    tensor.floatData.count, tensor.int32Data.count, tensor.int64Data.count, tensor.doubleData.count,
                ].max() ?? 0
            stored = elements * size
        }
        guard stored == count * size else { throw malformed("does not hold as many numbers as its shape asks for") }
        return tensor.dims.map { Int($0) }
    }

    private static func bytes(_ tensor: TensorProto, _ path: String) throws -> Data {
        guard tensor.dataLocation == .external else { return tensor.rawData }
        let file = try externalPath(tensor, beside: path)
        let entries = entries(tensor)
        guard let handle = FileHandle(forReadingAtPath: file) else {
            throw ImportError.unreadable(file: file, reason: "it is not there, but \(path) keeps weights in it")
        }
        defer { try? handle.close() }
        do {
            try handle.seek(toOffset: UInt64(entries["offset"].flatMap(Int.init) ?? 0))
            let count = tensor.dims.reduce(1) { $0 * Int($1) } * (bytesPerElement(tensor.dataType) ?? 0)
            return try handle.read(upToCount: count) ?? Data()
        } catch {
            throw ImportError.unreadable(file: file, reason: error.localizedDescription)
        }
    }

    /// The numbers of a tensor.
    ///
    /// - Throws: `ImportError`.
    func values(of tensor: TensorProto) throws -> ConstantTensor {
        let shape = try Self.check(tensor, path)
        let bytes = try Self.bytes(tensor, path)
        func numbers<Element>(_ type: Element.Type, _ convert: (Element) -> Float) -> ConstantTensor {
            ConstantTensor(shape: shape, numbers: Self.load(bytes, type).map(convert))
        }
        func integers<Element: BinaryInteger>(_ type: Element.Type, _ own: [some BinaryInteger]) -> ConstantTensor {
            ConstantTensor(
                shape: shape,
                integers: bytes.isEmpty
                    ? own.map { Int(clamping: $0) } : Self.load(bytes, type).map { Int(clamping: $0) })
        }
        switch TensorProto.DataType(rawValue: Int(tensor.dataType)) {
        case .float:
            return bytes.isEmpty ? ConstantTensor(shape: shape, numbers: tensor.floatData) : numbers(Float.self) { $0 }
        case .double:
            return bytes.isEmpty
                ? ConstantTensor(shape: shape, numbers: tensor.doubleData.map(Float.init))
                : numbers(Double.self) { Float($0) }
        case .float16:
            return bytes.isEmpty
                ? ConstantTensor(
                    shape: shape,
                    numbers: tensor.int32Data.map { Float(Float16(bitPattern: UInt16(truncatingIfNeeded: $0))) })
                : numbers(UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16:
            return bytes.isEmpty
                ? ConstantTensor(
                    shape: shape,
                    numbers: tensor.int32Data.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0) << 16) })
                : numbers(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .int64: return integers(Int64.self, tensor.int64Data)
        case .int32: return integers(Int32.self, tensor.int32Data)
        case .int8: return integers(Int8.self, tensor.int32Data)
        case .uint8, .bool: return integers(UInt8.self, tensor.int32Data)
        default: throw ImportError.malformed(file: path, reason: "\(tensor.name) has elements of a type not known here")
        }
    }

    /// The numbers of a tensor that stands in a node.
    func checkedValues(of tensor: TensorProto) throws -> ConstantTensor {
        guard tensor.dataLocation != .external else {
            throw ImportError.malformed(file: path, reason: "a constant of a node lies in another file")
        }
        return try values(of: tensor)
    }

    private static func load<Element>(_ bytes: Data, _: Element.Type) -> [Element] {
        let count = bytes.count / MemoryLayout<Element>.stride
        return [Element](unsafeUninitializedCapacity: count) { buffer, filled in
            _ = bytes.copyBytes(to: buffer)
            filled = count
        }
    }
}

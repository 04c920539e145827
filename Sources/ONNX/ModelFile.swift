import Escaping
import Files
import Foundation
import NeuralNetwork
import ONNXMessages

/// A validated ONNX file; weights are converted on demand.
struct ModelFile: Sendable {
    let path: String
    let nodes: [NodeProto]
    let graph: GraphProto
    let tensors: [String: TensorProto]
    let operatorSet: Int
    let metadata: [String: String]
    let externalFiles: [String]
    let storedElements: Int

    /// Maximum number of elements that are computed during the import.
    static let foldingLimit = 1 << 26

    init(path: String) throws {
        let data: Data
        do {
            data = try RegularFile.mapped(path)
        } catch {
            let isMissing = error.problem == .missing
            throw ImportError.unreadable(
                file: path, reason: isMissing ? "it does not exist or is not readable" : error.reason)
        }
        let model: ModelProto
        do {
            model = try ModelProto(serializedBytes: data)
        } catch ProtobufError.tooManyFields(let limit) {
            throw ImportError.malformed(file: path, reason: "it has more than \(limit) messages and strings")
        } catch { throw ImportError.malformed(file: path, reason: "its messages are cut off or damaged") }
        try self.init(model, path: path)
    }

    /// - `path`: external data is searched for beside it.
    init(_ model: ModelProto, path: String) throws {
        func malformed(_ reason: String) -> ImportError { .malformed(file: path, reason: reason) }
        self.path = path
        graph = model.graph
        nodes = model.graph.node
        guard !nodes.isEmpty, !graph.output.isEmpty else { throw malformed("it contains no graph") }
        guard let standard = model.opsetImport.first(where: { $0.domain.isEmpty || $0.domain == "ai.onnx" }) else {
            throw malformed("it does not state its operator set")
        }
        operatorSet = Int(clamping: standard.version)
        guard (7...30).contains(operatorSet) else {
            throw malformed("its operator set \(standard.version) is not from 7 to 30")
        }
        metadata = Dictionary(model.metadataProps.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        tensors = Dictionary(graph.initializer.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        try Self.checkSizes(graph, path)
        var files: Set<String> = []
        for tensor in graph.initializer where tensor.dataLocation == .external {
            files.insert(try Self.externalPath(tensor, beside: path))
        }
        externalFiles = files.sorted()
        storedElements = try graph.initializer.reduce(0) { sum, tensor in
            min(1 << 48, sum + (try Self.check(tensor, path)).reduce(1, *))
        }
    }

    private static func checkSizes(_ graph: GraphProto, _ path: String) throws {
        let nodes = graph.node
        func large(_ what: String, _ most: Int) -> ImportError {
            .malformed(file: path, reason: "it has more than \(most) \(what)")
        }
        if nodes.count > ImportBudget.nodes { throw large("nodes", ImportBudget.nodes) }
        if graph.initializer.count > ImportBudget.initializers { throw large("tensors", ImportBudget.initializers) }
        if graph.output.count > ImportBudget.outputs || graph.input.count > ImportBudget.initializers {
            throw large("outputs", ImportBudget.outputs)
        }
        let most = ImportBudget.nodeValues
        guard nodes.allSatisfy({ [$0.input.count, $0.output.count, $0.attribute.count].allSatisfy { $0 <= most } })
        else { throw large("inputs, outputs or attributes of a node", most) }
    }

    // MARK: - Tensors

    private static func entries(_ tensor: TensorProto) -> [String: String] {
        Dictionary(tensor.externalData.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    /// A file in the model's own folder or below, without links that lead out of it.
    private static func externalPath(_ tensor: TensorProto, beside path: String) throws -> String {
        let location = entries(tensor)["location"] ?? ""
        let outside = ImportError.malformed(
            file: path, reason: "\(tensor.name) is stored outside of the model's folder, in \"\(location)\"")
        let parts = location.splitBytes("/", omittingEmptySubsequences: false)
        guard !location.isEmpty, !location.utf8.contains(0), !parts.contains(where: { ["..", ".", ""].contains($0) })
        else { throw outside }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().resolvingSymlinksInPath()
        let file = folder.appendingPathComponent(location).resolvingSymlinksInPath()
        guard file.path.hasBytePrefix(folder.path == "/" ? "/" : folder.path + "/") else { throw outside }
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

    /// The shape, if it agrees with the tensor's number of elements.
    private static func check(_ tensor: TensorProto, _ path: String) throws -> [Int] {
        func malformed(_ reason: String) -> ImportError { .malformed(file: path, reason: "\(tensor.name) \(reason)") }
        guard let size = bytesPerElement(tensor.dataType) else { throw malformed("has an unsupported element type") }
        let shape = tensor.dims.map { Int(clamping: $0) }
        guard let count = ShapeLimits.elements(of: shape), count < 1 << 40 else {
            throw malformed("has an invalid shape")
        }
        let stored: Int
        if tensor.dataLocation == .external {
            let entries = entries(tensor)
            stored = entries["length"].flatMap(Int.init) ?? count * size
            let offset = entries["offset"].map { Int($0) ?? -1 } ?? 0
            guard offset >= 0 else { throw malformed("has an invalid offset in its file") }
            let file = try externalPath(tensor, beside: path)
            let length = try externalFile(file, of: path).bytes
            guard stored >= 0, stored <= length, offset <= length - stored else {
                throw malformed("extends beyond the end of its file")
            }
        } else if !tensor.rawData.isEmpty {
            stored = tensor.rawData.count
        } else {
            let elements =
                switch TensorProto.DataType(rawValue: Int(tensor.dataType)) {
                case .float: tensor.floatData.count
                case .double: tensor.doubleData.count
                case .int64: tensor.int64Data.count
                default: tensor.int32Data.count
                }
            stored = elements * size
        }
        guard stored == count * size else { throw malformed("holds fewer or more elements than its shape requires") }
        return shape
    }

    /// - Returns: an open file, closed when it is released.
    private static func externalFile(_ file: String, of model: String) throws -> (handle: FileHandle, bytes: Int) {
        do {
            let (descriptor, bytes) = try RegularFile.open(file)
            return (FileHandle(fileDescriptor: descriptor, closeOnDealloc: true), bytes)
        } catch {
            let isMissing = error.problem == .missing
            throw ImportError.unreadable(
                file: file, reason: isMissing ? "it does not exist, but \(model) stores weights in it" : error.reason)
        }
    }

    private static func bytes(_ tensor: TensorProto, _ path: String, count: Int) throws -> Data {
        guard tensor.dataLocation == .external else { return tensor.rawData }
        let file = try externalPath(tensor, beside: path)
        let entries = entries(tensor)
        let handle = try externalFile(file, of: path).handle
        try MemoryLimit.check(count, of: file)
        let data: Data
        do {
            try handle.seek(toOffset: UInt64(entries["offset"].flatMap(Int.init).map { max(0, $0) } ?? 0))
            data = try handle.read(upToCount: count) ?? Data()
        } catch { throw ImportError.unreadable(file: file, reason: error.localizedDescription) }
        guard data.count == count else {
            throw ImportError.unreadable(file: file, reason: "it was truncated while it was read")
        }
        return data
    }

    func values(of tensor: TensorProto) throws -> ConstantTensor {
        let shape = try Self.check(tensor, path)
        let size = Self.bytesPerElement(tensor.dataType) ?? 0
        // Unused fields may contain data nevertheless.
        if shape.contains(0) { return ConstantTensor(shape: shape, numbers: []) }
        let bytes = try Self.bytes(tensor, path, count: shape.reduce(1, *) * size)
        func elements<Element>(_ own: [Element]) -> [Element] { bytes.isEmpty ? own : Self.load(bytes) }
        func numbers<Element>(_ own: [Element], _ convert: (Element) -> Float) -> ConstantTensor {
            ConstantTensor(shape: shape, numbers: elements(own).map(convert))
        }
        func integers(_ own: [some BinaryInteger]) -> ConstantTensor {
            ConstantTensor(shape: shape, integers: own.map { Int(clamping: $0) })
        }
        func halves() -> [UInt16] { tensor.int32Data.map { UInt16(truncatingIfNeeded: $0) } }
        switch TensorProto.DataType(rawValue: Int(tensor.dataType)) {
        case .float: return numbers(tensor.floatData) { $0 }
        case .double: return numbers(tensor.doubleData) { Float($0) }
        case .float16: return numbers(halves()) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: return numbers(halves()) { Float(bitPattern: UInt32($0) << 16) }
        case .int64: return integers(elements(tensor.int64Data))
        case .int32: return integers(elements(tensor.int32Data))
        case .int8: return bytes.isEmpty ? integers(tensor.int32Data) : integers(Self.load(bytes) as [Int8])
        case .uint8, .bool: return bytes.isEmpty ? integers(tensor.int32Data) : integers([UInt8](bytes))
        default: throw ImportError.malformed(file: path, reason: "\(tensor.name) has an unsupported element type")
        }
    }

    /// The shape of a constant of a node, which must be stored in the model's own file.
    func checkedShape(of tensor: TensorProto) throws -> [Int] {
        guard tensor.dataLocation != .external else {
            throw ImportError.malformed(file: path, reason: "a constant of a node is stored in another file")
        }
        return try Self.check(tensor, path)
    }

    private static func load<Element>(_ bytes: Data) -> [Element] {
        let count = bytes.count / MemoryLayout<Element>.stride
        return [Element](unsafeUninitializedCapacity: count) { buffer, filled in
            _ = bytes.copyBytes(to: buffer)
            filled = count
        }
    }
}

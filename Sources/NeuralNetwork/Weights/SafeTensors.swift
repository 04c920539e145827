import Files
import Foundation

/// Reads the `.safetensors` format (huggingface/safetensors): eight bytes of little-endian header length, a JSON header
/// `name → {dtype, shape, data_offsets}`, then the tensors' bytes. Only the header is kept in memory. All header values
/// are validated against the file.
package struct SafeTensorsFile: Checkpoint {
    package let path: String
    package let format = "safetensors"
    /// Free text stored under `__metadata__`.
    package let metadata: [String: String]
    package var shapes: [String: [Int]] { entries.mapValues(\.shape) }

    private let file: FileBytes
    private let body: Int
    private let entries: [String: Entry]
    private let checksums: TensorChecksums?

    private struct Entry: Sendable {
        let type: ElementType
        let typeName: String
        let shape: [Int]
        let range: Range<Int>
    }

    private static let types: [String: ElementType] = [
        "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64, "I32": .int32,
        "I16": .int16, "I8": .int8, "U8": .uint8, "BOOL": .uint8, "U16": .uint16, "U32": .uint32, "U64": .uint64,
        "F8_E4M3": .float8e4m3fn, "F8_E5M2": .float8e5m2,
    ]

    /// Larger headers are rejected, as by the reference implementation.
    private static let maximumHeader = 100_000_000
    /// Headers with more tensors, or with more lists, elements and keys, are rejected before the JSON is parsed.
    static let maximumTensors = 100_000
    private static let maximumValues = 2_000_000

    package init(path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        let file = try FileBytes(path: path)
        guard file.count >= 8 else { throw malformed("it has \(file.count) bytes") }
        let length = try file.read(0..<8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
        guard length <= Self.maximumHeader, Int(length) <= file.count - 8 else {
            let next = file.count > 8 ? try file.read(8..<9).first : nil
            throw next == UInt8(ascii: "{")
                ? malformed("its header claims \(length) bytes in a file of \(file.count)")
                : malformed("it is not a safetensors, PyTorch, HDF5 or ONNX file")
        }
        let body = 8 + Int(length)
        let header = try file.read(8..<body)
        let size = JSONLimits.size(header)
        // The header object itself and its metadata are counted besides the tensors.
        guard size.objects <= Self.maximumTensors + 2, size.values <= Self.maximumValues else {
            throw malformed("its header describes more than \(Self.maximumTensors) tensors")
        }
        if let problem = JSONLimits.problem(header, values: Self.maximumValues) { throw malformed(problem) }
        guard let json = try? JSONSerialization.jsonObject(with: header) as? [String: Any] else {
            throw malformed("its header is not a JSON object")
        }
        var entries: [String: Entry] = [:]
        for (name, value) in json where name != "__metadata__" {
            guard let fields = value as? [String: Any] else { throw malformed("entry \(name) is not an object") }
            entries[name] = try Self.entry(name, fields, bodyBytes: file.count - body, malformed)
        }
        try Self.checkOverlap(entries, malformed)
        (self.path, self.file, self.body, self.entries) = (path, file, body, entries)
        var metadata = json["__metadata__"] as? [String: String] ?? [:]
        checksums = try TensorChecksums(&metadata, tensors: entries.keys, malformed)
        self.metadata = metadata
    }

    private static func entry(
        _ name: String, _ fields: [String: Any], bodyBytes: Int, _ malformed: (String) -> WeightsError
    ) throws -> Entry {
        guard let typeName = fields["dtype"] as? String, let shape = fields["shape"] as? [Int],
            let offsets = fields["data_offsets"] as? [Int], offsets.count == 2
        else { throw malformed("entry \(name) lacks dtype, shape or data_offsets") }
        guard let type = types[typeName] else { throw malformed("tensor \(name) has the unknown type \(typeName)") }
        guard let count = ShapeLimits.elements(of: shape) else {
            throw malformed("tensor \(name) has the shape \(shape.prefix(ShapeLimits.rank))")
        }
        let bytes = count * type.bytes
        guard offsets[0] >= 0, offsets[1] >= offsets[0], offsets[1] <= bodyBytes, offsets[1] - offsets[0] == bytes
        else {
            throw malformed(
                "tensor \(name) of \(bytes) bytes claims bytes \(offsets[0]) to \(offsets[1]) of \(bodyBytes)")
        }
        return Entry(type: type, typeName: typeName, shape: shape, range: offsets[0]..<offsets[1])
    }

    private static func checkOverlap(_ entries: [String: Entry], _ malformed: (String) -> WeightsError) throws {
        var end = 0
        for (name, entry) in entries.sorted(by: { $0.value.range.lowerBound < $1.value.range.lowerBound })
        where !entry.range.isEmpty {
            guard entry.range.lowerBound >= end else { throw malformed("tensor \(name) overlaps another") }
            end = entry.range.upperBound
        }
    }

    var count: Int { entries.count }

    func shape(of name: String) -> [Int]? { entries[name]?.shape }

    /// Returns the tensor called `name`, or nil if there is none. Throws `WeightsError.malformed` if the file has
    /// checksums and the tensor's differs.
    package func tensor(named name: String) throws -> Tensor? {
        guard let entry = entries[name] else { return nil }
        let bytes = try file.read(body + entry.range.lowerBound..<body + entry.range.upperBound)
        guard checksums?.accept(name, type: entry.typeName, shape: entry.shape, bytes) != false else {
            throw WeightsError.malformed(file: path, reason: "its tensor \(name) does not match its checksum")
        }
        return Tensor(shape: entry.shape, values: entry.type.floats(bytes))
    }
}

/// Writes `.safetensors` with tensors sorted by name, as `float32`, with checksums.
package enum SafeTensorsWriter {
    /// Converts a file of another format, with `metadata` as free text. Writes nothing if reading throws.
    package static func convert(
        _ checkpoint: any Checkpoint, metadata: [String: String] = [:], to path: String
    ) throws {
        // Writing needs the whole file in memory twice.
        let sizes = checkpoint.shapes.values.map { $0.reduce(8.0) { $0 * Double($1) } }
        try MemoryLimit.check(Int(min(sizes.reduce(0, +), 1e18)), of: checkpoint.path)
        var tensors: [String: Tensor] = [:]
        for name in checkpoint.shapes.keys { tensors[name] = try checkpoint.tensor(named: name) }
        try write(tensors, metadata: metadata, to: path)
    }

    /// Replaces `path` atomically.
    package static func write(_ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String) throws {
        try data(tensors, metadata: metadata).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    static func data(_ tensors: [String: Tensor], metadata: [String: String]) throws -> Data {
        let ordered = tensors.sorted { $0.key < $1.key }
        var header: [String: Any] = ["__metadata__": TensorChecksums.adding(ordered, to: metadata)]
        var offset = 0
        for (name, tensor) in ordered {
            let end = offset + tensor.count * 4
            header[name] = ["dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]] as [String: Any]
            offset = end
        }
        var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes])
        // The format requires the data to begin at a multiple of eight bytes.
        json.append(Data(repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8))
        var file = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
        file.append(json)
        for (_, tensor) in ordered { tensor.values.withUnsafeBytes { file.append(contentsOf: $0) } }
        return file
    }
}

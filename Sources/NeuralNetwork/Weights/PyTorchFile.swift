import CLibzip
import Foundation
import Synchronization

/// A file of `torch.save` since PyTorch 1.6: a zip archive with `<name>/data.pkl` and one entry a storage.
final class PyTorchArchive: Checkpoint {
    /// The path it was read from.
    let path: String
    /// How the file is written.
    let format = "PyTorch (zip)"
    /// Shape of every tensor, by name.
    let shapes: [String: [Int]]
    private let tensors: [String: Unpickler.TensorReference]
    private let archive: Mutex<ZipArchive>
    private let prefix: String

    /// Whether the archive holds a pickle where `torch.save` puts it.
    ///
    /// - Throws: `WeightsError` where it is damaged.
    static func recognizes(_ path: String) throws -> Bool {
        try ZipArchive(path: path).names.contains { $0.hasSuffix("/data.pkl") || $0 == "data.pkl" }
    }

    /// - Throws: `WeightsError`.
    init(path: String) throws {
        self.path = path
        let archive = try ZipArchive(path: path)
        guard let pickle = archive.names.first(where: { $0.hasSuffix("/data.pkl") || $0 == "data.pkl" }) else {
            throw WeightsError.malformed(
                file: path, reason: "it is a zip archive without data.pkl, so not a PyTorch file")
        }
        prefix = String(pickle.dropLast("data.pkl".count))
        if let order = try? archive.read(prefix + "byteorder", atMost: 16), order != Data("little".utf8) {
            throw WeightsError.malformed(file: path, reason: "it was written on a big-endian machine")
        }
        var unpickler = Unpickler(try archive.read(pickle, atMost: 256 << 20))
        tensors = try stateDictionary(path) { try unpickler.load() }
        shapes = tensors.mapValues(\.shape)
        self.archive = Mutex(archive)
    }

    /// The tensor called `name` as `Float`, or nil.
    func tensor(named name: String) throws -> Tensor? {
        guard let reference = tensors[name] else { return nil }
        let bytes = reference.storage.count * reference.storage.type.bytes
        let data = try archive.withLock { try $0.read("\(prefix)data/\(reference.storage.key)", atMost: bytes) }
        guard data.count == bytes else {
            throw WeightsError.malformed(file: path, reason: "the numbers of \(name) are cut off")
        }
        return reference.tensor(from: data)
    }
}

/// A file of `torch.save` before PyTorch 1.6: five pickles (a magic number, the protocol, facts about the
/// system, the object, the storages' keys), then each storage's length and numbers.
struct PyTorchLegacyFile: Checkpoint {
    /// The path it was read from.
    let path: String
    /// How the file is written.
    let format = "PyTorch (before 1.6)"
    /// Shape of every tensor, by name.
    let shapes: [String: [Int]]
    private let file: FileBytes
    private let tensors: [String: Unpickler.TensorReference]
    /// Where each storage's numbers lie, by key.
    private let storages: [String: Range<Int>]

    /// 0x1950a86a20f9469cfc6c, little-endian.
    private static let magic = Data([0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19])

    /// - Throws: `WeightsError`.
    init(path: String) throws {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else {
            throw WeightsError.unreadable(file: path, reason: "it cannot be mapped into memory")
        }
        var position = 0
        func next() throws -> Unpickler.Value {
            var unpickler = Unpickler(data, at: position)
            defer { position = unpickler.position }
            return try unpickler.load()
        }
        self.path = path
        file = try FileBytes(path: path)
        var keys: [String] = []
        tensors = try stateDictionary(path) {
            guard case .bytes(Self.magic) = try next(), case .integer(1001) = try next() else {
                throw Unpickler.Refusal(reason: "it is a pickle, but not one of torch.save")
            }
            _ = try next()
            let object = try next()
            guard case .list(let list) = try next() else {
                throw Unpickler.Refusal(reason: "its list of storages is damaged")
            }
            keys = list.compactMap { if case .text(let key) = $0 { key } else { nil } }
            return object
        }
        shapes = tensors.mapValues(\.shape)
        let sizes = Dictionary(
            tensors.values.map { ($0.storage.key, $0.storage) }, uniquingKeysWith: { first, _ in first })
        var storages: [String: Range<Int>] = [:]
        for key in keys {
            guard let storage = sizes[key] else {
                throw WeightsError.malformed(file: path, reason: "it stores numbers that no tensor uses")
            }
            let start = position + 8
            let length = storage.count * storage.type.bytes
            guard start <= data.count, length <= data.count - start else {
                throw WeightsError.malformed(
                    file: path, reason: "it is cut off: the numbers of storage \(key) are missing")
            }
            let count = data[data.startIndex + position..<data.startIndex + start].reversed()
                .reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard count == UInt64(storage.count) else {
                throw WeightsError.malformed(file: path, reason: "storage \(key) is not as long as its tensors say")
            }
            storages[key] = start..<start + length
            position = start + length
        }
        self.storages = storages
    }

    /// The tensor called `name` as `Float`, or nil.
    func tensor(named name: String) throws -> Tensor? {
        guard let reference = tensors[name] else { return nil }
        guard let range = storages[reference.storage.key] else {
            throw WeightsError.malformed(file: path, reason: "the numbers of \(name) are missing")
        }
        return reference.tensor(from: try file.read(range))
    }
}

/// The tensors of a state dictionary: at the top, or under `state_dict` or `model`; `module.` in front of
/// every name (from training on several devices) is dropped.
private func stateDictionary(
    _ path: String, _ load: () throws -> Unpickler.Value
) throws -> [String: Unpickler.TensorReference] {
    let object: Unpickler.Value
    do {
        object = try load()
    } catch let refusal as Unpickler.Refusal {
        throw WeightsError.malformed(file: path, reason: refusal.reason)
    }
    guard case .dictionary(var items) = object else {
        throw WeightsError.malformed(file: path, reason: "it holds no dictionary of tensors; save model.state_dict()")
    }
    for wrapper in ["state_dict", "model"] {
        let inner = items.last { if case .text(wrapper) = $0.key { true } else { false } }
        if case .dictionary(let wrapped)? = inner?.value { items = wrapped }
    }
    var tensors: [String: Unpickler.TensorReference] = [:]
    for item in items {
        if case .text(let name) = item.key, case .tensor(let tensor) = item.value { tensors[name] = tensor }
    }
    guard !tensors.isEmpty else {
        throw WeightsError.malformed(file: path, reason: "it holds no dictionary of tensors; save model.state_dict()")
    }
    guard tensors.keys.allSatisfy({ $0.hasPrefix("module.") }) else { return tensors }
    return Dictionary(
        tensors.map { (String($0.key.dropFirst("module.".count)), $0.value) }, uniquingKeysWith: { a, _ in a })
}

extension Unpickler.TensorReference {
    /// The view's numbers in row-major order. Bounds were checked when the reference was made.
    fileprivate func tensor(from storage: Data) -> Tensor {
        let numbers = self.storage.type.floats(storage)
        let count = shape.reduce(1, *)
        var dense = 1
        let contiguous = shape.indices.reversed().allSatisfy { index in
            defer { dense *= shape[index] }
            return shape[index] == 1 || strides[index] == dense
        }
        if contiguous {
            let whole = offset == 0 && count == numbers.count
            return Tensor(shape: shape, values: whole ? numbers : Array(numbers[offset..<offset + count]))
        }
        let values = (0..<count).map { flat in
            var (rest, place) = (flat, offset)
            for index in shape.indices.reversed() {
                place += rest % shape[index] * strides[index]
                rest /= shape[index]
            }
            return numbers[place]
        }
        return Tensor(shape: shape, values: values)
    }
}

/// Owner of an archive opened by libzip; checks each entry's checksum as it reads.
///
/// `@unchecked Sendable`: libzip's handle has no thread of its own, and `PyTorchArchive` keeps the value
/// in a `Mutex` from the moment it is made.
struct ZipArchive: ~Copyable, @unchecked Sendable {
    private let handle: OpaquePointer
    private let path: String
    let names: [String]

    init(path: String) throws {
        var code: Int32 = 0
        guard let handle = zip_open(path, ZIP_RDONLY, &code) else {
            throw WeightsError.malformed(file: path, reason: "it is a damaged or cut-off zip archive")
        }
        self.handle = handle
        self.path = path
        names = (0..<max(0, zip_get_num_entries(handle, 0))).compactMap { index in
            zip_get_name(handle, UInt64(index), 0).map { String(cString: $0) }
        }
    }

    deinit { zip_discard(handle) }

    /// The bytes of an entry.
    ///
    /// - Parameter atMost: an entry that claims more is refused before it is unpacked.
    func read(_ name: String, atMost limit: Int) throws -> Data {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        var details = zip_stat_t()
        guard zip_stat(handle, name, 0, &details) == 0 else { throw malformed("it lacks the entry \(name)") }
        guard details.size <= UInt64(limit) else {
            throw malformed("its entry \(name) claims \(details.size) bytes where \(limit) are expected")
        }
        try MemoryLimit.check(Int(clamping: details.size), of: path)
        guard let entry = zip_fopen(handle, name, 0) else { throw malformed("its entry \(name) cannot be read") }
        defer { zip_fclose(entry) }
        var data = Data(count: Int(details.size))
        let read = data.withUnsafeMutableBytes { zip_fread(entry, $0.baseAddress, UInt64($0.count)) }
        guard read == Int64(details.size) else { throw malformed("its entry \(name) is damaged") }
        return data
    }
}

import Escaping
import Foundation
import Synchronization

/// A file of `torch.save` since PyTorch 1.6: a zip archive with `<name>/data.pkl` and one entry a storage.
final class PyTorchArchive: Checkpoint {
    /// The path it was read from.
    let path: String
    /// How the file is written.
    let format: String
    /// Shape of every tensor, by name.
    let shapes: [String: [Int]]
    private let tensors: [String: Unpickler.TensorReference]
    private let archive: Mutex<ZipArchive>
    private let prefix: String

    /// Whether the archive holds a pickle where `torch.save` puts it.
    ///
    /// - Throws: `WeightsError` where it is damaged.
    static func recognizes(_ path: String) throws -> Bool {
        try ZipArchive(path: path).names.contains(where: isPickle)
    }

    private static func isPickle(_ name: String) -> Bool { name.hasByteSuffix("/data.pkl") || name == "data.pkl" }

    /// - Throws: `WeightsError`.
    init(path: String) throws {
        self.path = path
        let archive = try ZipArchive(path: path)
        format = archive.lacksChecksums ? "PyTorch (zip, without checksums)" : "PyTorch (zip)"
        guard let pickle = archive.names.first(where: Self.isPickle) else {
            throw WeightsError.malformed(
                file: path, reason: "it is a zip archive without data.pkl, so not a PyTorch file")
        }
        prefix = pickle.droppingByteSuffix("data.pkl").map(String.init) ?? ""
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
        self.path = path
        let file = try FileBytes(path: path)
        let contents = try Self.pickles(path, file)
        self.file = file
        tensors = contents.tensors
        shapes = tensors.mapValues(\.shape)
        let sizes = Dictionary(
            tensors.values.map { ($0.storage.key, $0.storage) }, uniquingKeysWith: { first, _ in first })
        var storages: [String: Range<Int>] = [:]
        var position = contents.end
        for key in contents.keys {
            guard let storage = sizes[key] else {
                throw WeightsError.malformed(file: path, reason: "it stores numbers that no tensor uses")
            }
            let start = position + 8
            let length = storage.count * storage.type.bytes
            guard start <= file.count, length <= file.count - start else {
                throw WeightsError.malformed(
                    file: path, reason: "it is cut off: the numbers of storage \(key) are missing")
            }
            let count = try file.read(position..<start).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard count == UInt64(storage.count) else {
                throw WeightsError.malformed(file: path, reason: "storage \(key) is not as long as its tensors say")
            }
            storages[key] = start..<start + length
            position = start + length
        }
        self.storages = storages
    }

    /// The most bytes that the pickles may take, with their tensors' numbers behind them.
    private static let maximumPickles = 256 << 20

    /// The five pickles: tensors, the storages' keys in the order of their numbers, and where these begin.
    ///
    /// Published files have pickles of less than 1 MB, so the beginning of the file is tried first.
    private static func pickles(
        _ path: String, _ file: FileBytes
    ) throws -> (tensors: [String: Unpickler.TensorReference], keys: [String], end: Int) {
        var length = min(file.count, 4 << 20)
        while true {
            let data = try file.read(0..<length)
            do {
                return try pickles(path, data)
            } catch let error as WeightsError {
                let most = min(file.count, maximumPickles)
                guard length < most, case .malformed(_, Unpickler.Refusal.cutOff.reason) = error else { throw error }
                length = most
            }
        }
    }

    private static func pickles(
        _ path: String, _ data: Data
    ) throws -> (tensors: [String: Unpickler.TensorReference], keys: [String], end: Int) {
        var position = 0
        func next() throws -> Unpickler.Value {
            var unpickler = Unpickler(data, at: position)
            defer { position = unpickler.position }
            return try unpickler.load()
        }
        var keys: [String] = []
        let tensors = try stateDictionary(path) {
            guard case .bytes(magic) = try next(), case .integer(1001) = try next() else {
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
        return (tensors, keys, position)
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
    guard tensors.keys.allSatisfy({ $0.hasBytePrefix("module.") }) else { return tensors }
    return Dictionary(
        tensors.map { (String($0.key.droppingBytePrefix("module.") ?? ""), $0.value) }, uniquingKeysWith: { a, _ in a })
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

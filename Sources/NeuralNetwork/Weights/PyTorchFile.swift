import Escaping
import Foundation
import Synchronization

/// A file written by `torch.save` since PyTorch 1.6: a zip archive with `<name>/data.pkl` and one entry per storage.
final class PyTorchArchive: Checkpoint {
    let path, format: String
    let shapes: [String: [Int]]
    let notes: [String]
    private let tensors: [String: PickledValue.TensorReference]
    private let contents: Mutex<Contents>
    private let prefix: String

    /// The archive, and storages that several tensors view: each is decompressed once and kept until its last read.
    private struct Contents: ~Copyable {
        let archive: ZipArchive
        /// Unread tensors of each storage.
        var unread: [String: Int]
        var kept: [String: Data] = [:]
    }

    /// Whether the archive holds a pickle at the path that `torch.save` uses. Throws `WeightsError` if it is damaged.
    static func recognizes(_ path: String) throws -> Bool { try ZipArchive(path: path).names.contains(where: isPickle) }

    private static func isPickle(_ name: String) -> Bool { name.hasByteSuffix("/data.pkl") || name == "data.pkl" }

    init(path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        self.path = path
        let archive = try ZipArchive(path: path)
        format = archive.lacksChecksums ? "PyTorch (zip, without checksums)" : "PyTorch (zip)"
        guard let pickle = archive.names.first(where: Self.isPickle) else {
            throw malformed("it is a zip archive without data.pkl, so not a PyTorch file")
        }
        let prefix = pickle.droppingByteSuffix("data.pkl").map(String.init) ?? ""
        self.prefix = prefix
        if let order = try? archive.read(prefix + "byteorder", atMost: 16), order != Data("little".utf8) {
            throw malformed("it was written on a big-endian machine")
        }
        if archive.names.contains(where: { $0.hasBytePrefix(prefix + "code/") }) {
            throw WeightsError.foreign(
                file: path, found: "a TorchScript archive: a program with its weights inside",
                remedy: WeightsError.python(
                    "torch.save(torch.jit.load(\(WeightsError.quoted(path)), map_location=\"cpu\").state_dict(), "
                        + "\"state.pth\")"))
        }
        var unpickler = Unpickler(try archive.read(pickle, atMost: 256 << 20))
        let dictionary = try PickledStateDictionary(refusing(path) { try unpickler.load() }, path: path)
        (tensors, notes) = (dictionary.tensors, dictionary.notes)
        shapes = tensors.mapValues(\.shape)
        let views = Dictionary(grouping: tensors.values, by: \.storage.key).mapValues(\.count)
        contents = Mutex(Contents(archive: archive, unread: views))
    }

    func tensor(named name: String) throws -> Tensor? {
        guard let reference = tensors[name] else { return nil }
        let data = try contents.withLock { contents in
            let key = reference.storage.key
            let (entry, bytes) = ("\(prefix)data/\(key)", reference.storage.bytes)
            if contents.kept.values.reduce(0, { $0 + $1.count }) > MemoryLimit.bytes / 4 { contents.kept = [:] }
            let data = try contents.kept[key] ?? contents.archive.read(entry, atMost: bytes)
            contents.unread[key, default: 0] -= 1
            contents.kept[key] = contents.unread[key, default: 0] > 0 ? data : nil
            return data
        }
        guard data.count == reference.storage.bytes else {
            throw WeightsError.malformed(file: path, reason: "the elements of \(name) are cut off")
        }
        let range = reference.range
        return reference.tensor(from: data[data.startIndex + range.lowerBound..<data.startIndex + range.upperBound])
    }
}

/// A file written by `torch.save` before PyTorch 1.6: five pickles (a magic number, the protocol, system information,
/// the object, the storages' keys), then each storage's length and elements.
struct PyTorchLegacyFile: Checkpoint {
    let path: String
    let format = "PyTorch (before 1.6)"
    let shapes: [String: [Int]]
    let notes: [String]
    private let file: FileBytes
    private let tensors: [String: PickledValue.TensorReference]
    /// Byte range of each storage's elements, by key.
    private let storages: [String: Range<Int>]

    /// 0x1950a86a20f9469cfc6c, little-endian.
    private static let magic = Data([0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19])

    init(path: String) throws {
        func malformed(_ reason: String) -> WeightsError { .malformed(file: path, reason: reason) }
        self.path = path
        let file = try FileBytes(path: path)
        let contents = try Self.pickles(path, file)
        let dictionary = try PickledStateDictionary(contents.objects, path: path)
        self.file = file
        (tensors, notes) = (dictionary.tensors, dictionary.notes)
        shapes = tensors.mapValues(\.shape)
        var storages: [String: Range<Int>] = [:]
        var position = contents.end
        for key in contents.keys {
            guard let storage = contents.objects.storages[key] else {
                throw malformed("it stores elements that no tensor uses")
            }
            let start = position + 8
            let length = storage.bytes
            guard start <= file.count, length <= file.count - start else {
                throw malformed("it is cut off: the elements of storage \(key) are missing")
            }
            let count = try file.read(position..<start).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard count == UInt64(storage.bytes / (storage.type?.bytes ?? 1)) else {
                throw malformed("storage \(key) is shorter or longer than its tensors require")
            }
            storages[key] = start..<start + length
            position = start + length
        }
        self.storages = storages
    }

    /// Maximum bytes of the pickles, including the tensors' elements that follow them.
    private static let maximumPickles = 256 << 20

    private typealias Contents = (objects: PickledObjects, keys: [String], end: Int)

    /// Reads the five pickles: objects, the storages' keys in the order of their elements, and the offset of the first
    /// element. Published files have pickles of less than 1 MB, so the beginning of the file is tried first.
    private static func pickles(_ path: String, _ file: FileBytes) throws -> Contents {
        var length = min(file.count, 4 << 20)
        while true {
            let data = try file.read(0..<length)
            do {
                return try refusing(path) { try pickles(data) }
            } catch let error as WeightsError {
                let most = min(file.count, maximumPickles)
                guard length < most, case .malformed(_, Unpickler.Refusal.cutOff.reason) = error else { throw error }
                length = most
            }
        }
    }

    private static func pickles(_ data: Data) throws -> Contents {
        var position = 0
        func next() throws -> PickledObjects {
            var unpickler = Unpickler(data, at: position)
            let objects = try unpickler.load()
            position = unpickler.position
            return objects
        }
        guard case .bytes(magic) = try next().root, case .integer(1001) = try next().root else {
            throw Unpickler.Refusal(reason: "it is a pickle that torch.save did not write; \(remedy)")
        }
        _ = try next()
        let objects = try next()
        let list = try next()
        guard let keys = list.elements(list.root) else {
            throw Unpickler.Refusal(reason: "its list of storages is damaged")
        }
        return (objects, keys.compactMap { if case .text(let key) = $0 { key } else { nil } }, position)
    }

    private static let remedy = "save a dictionary of tensors with torch.save"

    func tensor(named name: String) throws -> Tensor? {
        guard let reference = tensors[name] else { return nil }
        guard let range = storages[reference.storage.key] else {
            throw WeightsError.malformed(file: path, reason: "the elements of \(name) are missing")
        }
        let view = reference.range
        return reference.tensor(
            from: try file.read(range.lowerBound + view.lowerBound..<range.lowerBound + view.upperBound))
    }
}

private func refusing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let refusal as Unpickler.Refusal {
        throw WeightsError.malformed(file: path, reason: refusal.reason)
    }
}

extension PickledValue.TensorReference {
    /// Byte range of the storage that the view covers.
    fileprivate var range: Range<Int> {
        if shape.contains(0) { return 0..<0 }
        let last = zip(shape, strides).reduce(offset) { $0 + ($1.0 - 1) * $1.1 }
        return offset * type.bytes..<(last + 1) * type.bytes
    }

    /// The view's elements in row-major order, from the bytes of `range`; its reference has checked the bounds.
    fileprivate func tensor(from bytes: Data) -> Tensor {
        let values = type.floats(bytes)
        var dense = 1
        let isContiguous = shape.indices.reversed().allSatisfy { index in
            defer { dense *= shape[index] }
            return shape[index] == 1 || strides[index] == dense
        }
        if isContiguous || shape.contains(0) { return Tensor(shape: shape, values: values) }
        let count = shape.reduce(1, *)
        let elements = (0..<count).map { flat in
            var (rest, place) = (flat, 0)
            for index in shape.indices.reversed() {
                place += rest % shape[index] * strides[index]
                rest /= shape[index]
            }
            return values[place]
        }
        return Tensor(shape: shape, values: elements)
    }
}

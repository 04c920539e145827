import Digests
import Escaping
import Foundation

/// SHA-256 checksums of the tensors and texts of a `.safetensors` file, which the format itself lacks. They are written
/// into `__metadata__`, which other readers ignore; files without them are read unchecked.
struct TensorChecksums: Sendable {
    private static let prefix = "sha256:"
    /// Key of the texts' checksum. It cannot clash with a tensor's key, since those have a prefix.
    private static let textsKey = "sha256"

    private let digests: [String: String]

    /// Digest of a tensor with its header entry, so that a changed shape or type is detected too.
    private static func digest(_ name: String, _ type: String, _ shape: [Int], _ bytes: Data) -> String {
        var digest = Digest()
        digest.update(Data("\(name)\n\(type)\n\(shape)\n".utf8))
        digest.update(bytes)
        return digest.hex()
    }

    private static func digest(_ texts: [String: String]) -> String {
        var digest = Digest()
        for (key, text) in texts.sorted(by: { $0.key < $1.key }) {
            // Lengths separate a key from its text.
            digest.update(Data("\(key.utf8.count) \(text.utf8.count) \(key)\(text)\n".utf8))
        }
        return digest.hex()
    }

    /// Returns the texts with checksums added for themselves and for these tensors, which are written as `float32`.
    static func adding(_ tensors: [(key: String, value: Tensor)], to texts: [String: String]) -> [String: String] {
        var all = texts
        for (name, tensor) in tensors {
            all[prefix + name] = tensor.values.withUnsafeBytes { digest(name, "F32", tensor.shape, Data($0)) }
        }
        all[textsKey] = digest(texts)
        return all
    }

    /// Nil for a file without checksums. `texts`: the file's texts; the checksums are removed from them. Throws the
    /// error that `malformed` makes, if texts or tensor names are damaged.
    init?(
        _ texts: inout [String: String], tensors: some Collection<String>, _ malformed: (String) -> WeightsError
    ) throws {
        let stated = texts.filter { $0.key.hasBytePrefix(Self.prefix) }
        let ofTexts = texts[Self.textsKey]
        guard ofTexts != nil || !stated.isEmpty else { return nil }
        texts = texts.filter { stated[$0.key] == nil && $0.key != Self.textsKey }
        guard ofTexts == Self.digest(texts) else { throw malformed("its metadata does not match its checksum") }
        digests = Dictionary(
            stated.map { (String($0.key.dropFirst(Self.prefix.count)), $0.value) },
            uniquingKeysWith: { first, _ in first })
        guard digests.count == tensors.count, tensors.allSatisfy({ digests[$0] != nil }) else {
            throw malformed("its tensors differ from those in its list of checksums")
        }
    }

    func accept(_ name: String, type: String, shape: [Int], _ bytes: Data) -> Bool {
        digests[name] == Self.digest(name, type, shape, bytes)
    }
}

import Digests
import Escaping
import Foundation

/// SHA-256 of the tensors and the texts of a `.safetensors` file, which the format itself has not. This program writes them
/// into `__metadata__`, where other readers pass over them; files without them are read unchecked.
struct TensorChecksums: Sendable {
    private static let prefix = "sha256:"
    /// The checksum of the texts; no tensor's, since those have the prefix.
    private static let textsKey = "sha256"

    private let digests: [String: String]

    /// What an entry of the header says belongs to it: a changed shape or type is damage too.
    private static func digest(_ name: String, _ type: String, _ shape: [Int], _ bytes: Data) -> String {
        var digest = Digest()
        digest.update(Data("\(name)\n\(type)\n\(shape)\n".utf8))
        digest.update(bytes)
        return digest.hex()
    }

    private static func digest(_ texts: [String: String]) -> String {
        var digest = Digest()
        for (key, text) in texts.sorted(by: { $0.key < $1.key }) {
            // Lengths keep a key and its text apart.
            digest.update(Data("\(key.utf8.count) \(text.utf8.count) \(key)\(text)\n".utf8))
        }
        return digest.hex()
    }

    /// The texts with the checksums of these tensors, which are written as `float32`, and of the texts.
    static func adding(_ tensors: [(key: String, value: Tensor)], to texts: [String: String]) -> [String: String] {
        var all = texts
        for (name, tensor) in tensors {
            all[prefix + name] = tensor.values.withUnsafeBytes { digest(name, "F32", tensor.shape, Data($0)) }
        }
        all[textsKey] = digest(texts)
        return all
    }

    /// Nil for a file without checksums.
    ///
    /// - Parameter texts: of the file; the checksums are taken out.
    /// - Throws: whatever `malformed` makes of a reason, if texts or names of tensors are damaged.
    init?(
        _ texts: inout [String: String], tensors: some Collection<String>, _ malformed: (String) -> WeightsError
    ) throws {
        let stated = texts.filter { $0.key.hasBytePrefix(Self.prefix) }
        let ofTexts = texts[Self.textsKey]
        guard ofTexts != nil || !stated.isEmpty else { return nil }
        texts = texts.filter { stated[$0.key] == nil && $0.key != Self.textsKey }
        guard ofTexts == Self.digest(texts) else { throw malformed("its metadata does not fit its checksum") }
        digests = Dictionary(
            stated.map { (String($0.key.dropFirst(Self.prefix.count)), $0.value) },
            uniquingKeysWith: { first, _ in first })
        guard digests.count == tensors.count, tensors.allSatisfy({ digests[$0] != nil }) else {
            throw malformed("its tensors are not those that it has checksums of")
        }
    }

    /// Whether a tensor is as it was written.
    func accept(_ name: String, type: String, shape: [Int], _ bytes: Data) -> Bool {
        digests[name] == Self.digest(name, type, shape, bytes)
    }
}

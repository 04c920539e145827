import Escaping

/// The tensors of a file whose names begin with a prefix, without it: one of several networks in a file, or one inside
/// wrappers (`module.` of `DataParallel`, `_orig_mod.` of `torch.compile`, the name of a training script's attribute).
public struct PrefixedWeights: Checkpoint {
    /// The whole file.
    public let file: any Checkpoint
    /// Ends in a dot.
    public let prefix: String
    /// Shape of every tensor, by the name without the prefix.
    public let shapes: [String: [Int]]

    /// The path it was read from.
    public var path: String { file.path }
    /// The files that all tensors come from.
    public var files: [String] { file.files }
    /// How the file is written.
    public var format: String { file.format }
    /// What was left out.
    public var notes: [String] { file.notes }

    /// - Parameter prefix: ends in a dot.
    public init(_ file: any Checkpoint, prefix: String) {
        (self.file, self.prefix) = (file, prefix)
        shapes = Dictionary(
            file.shapes.compactMap { name, shape in name.droppingBytePrefix(prefix).map { (String($0), shape) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// The tensor called `name` behind the prefix, or nil.
    public func tensor(named name: String) throws -> Tensor? {
        shapes[name] == nil ? nil : try file.tensor(named: prefix + name)
    }
}

extension Checkpoint {
    /// Every prefix that the name of a tensor called `suffix` has in the file, and the prefixes of those, the shortest first;
    /// the empty one is always among them.
    package func prefixes(of suffixes: [String]) -> [String] {
        var found: Set<String> = [""]
        for name in shapes.keys {
            for suffix in suffixes where name.hasByteSuffix("." + suffix) {
                var prefix = name.droppingByteSuffix(suffix).map(String.init) ?? ""
                while !prefix.isEmpty, found.insert(prefix).inserted {
                    let parent = prefix.dropLast().utf8.lastIndex(of: UInt8(ascii: "."))
                    prefix = parent.map { String(prefix[...$0]) } ?? ""
                }
            }
        }
        return found.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
    }

    /// The tensors behind a prefix; the file itself if it is empty.
    package func behind(_ prefix: String) -> any Checkpoint {
        prefix.isEmpty ? self : PrefixedWeights(self, prefix: prefix)
    }
}

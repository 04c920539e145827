import Escaping

/// The tensors whose names begin with a prefix, with it removed: one of a file's networks, or one inside wrappers
/// (`module.` of `DataParallel`, `_orig_mod.` of `torch.compile`, an attribute of a training script).
package struct PrefixedWeights: Checkpoint {
    package let file: any Checkpoint
    /// Ends in a dot, unless it is empty.
    package let prefix: String
    package let shapes: [String: [Int]]

    package var path: String { file.path }
    package var files: [String] { file.files }
    package var format: String { file.format }
    package var notes: [String] { file.notes }

    package init(_ file: any Checkpoint, prefix: String) {
        (self.file, self.prefix) = (file, prefix)
        shapes = Dictionary(
            file.shapes.compactMap { name, shape in name.droppingBytePrefix(prefix).map { (String($0), shape) } },
            uniquingKeysWith: { first, _ in first })
    }

    package func tensor(named name: String) throws -> Tensor? {
        shapes[name] == nil ? nil : try file.tensor(named: prefix + name)
    }
}

extension Checkpoint {
    /// Every prefix of a tensor whose name ends in one of `suffixes`, and the parents of those prefixes, shortest
    /// first. The empty prefix is always included.
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

    /// The tensors with a prefix, or the file itself if the prefix is empty.
    package func behind(_ prefix: String) -> any Checkpoint {
        prefix.isEmpty ? self : PrefixedWeights(self, prefix: prefix)
    }
}

import Foundation

package enum WeightsError: LocalizedError, Equatable {
    /// `published`: the name for `zoetrope weights fetch`, if this is a published file.
    case missing(file: String, published: String?)
    case unreadable(file: String, reason: String), malformed(file: String, reason: String)
    case mismatch(file: String, WeightsMismatch), tooLarge(file: String, bytes: Int, memory: Int)
    /// A file of another kind, and how to convert it.
    case foreign(file: String, found: String, remedy: String)
    /// Weights of a related network with more layers.
    case leftOver(file: String, network: String, names: [String], hint: String?)
    case unknownPart(file: String, part: String, known: [String])

    package var errorDescription: String? {
        switch self {
        case .missing(let file, let published?):
            "There are no weights at \(file). `zoetrope weights fetch \(published)` downloads them into the folder "
                + "`weights`."
        case .missing(let file, nil):
            "There are no weights at \(file). Correct the path; `zoetrope weights list` names published files."
        case .unreadable(let file, let reason):
            "Cannot read the weights \(file): \(reason). Check the file, or fetch it again."
        case .malformed(let file, let reason):
            "\(file) is not a usable weight file: \(reason). Fetch or write it again."
        case .foreign(let file, let found, let remedy): "\(file) is \(found). \(remedy). Then name the new file."
        case .leftOver(let file, let network, let names, let hint):
            "\(file) has additional tensors inside the modules of \(network), so its features would be wrong: "
                + "\(names.count == 1 ? "1 tensor" : "\(names.count) tensors") "
                + "(\(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? ", …" : "")). Use another file or "
                + "backbone: \(hint ?? Self.remedy(leftOver: names))."
        case .unknownPart(let file, let part, let known):
            "\(file) has no part `\(part)` that fits the backbone. "
                + (known.isEmpty
                    ? "Leave `part` out."
                    : "Write one of \(known.map { "`\($0)`" }.joined(separator: ", ")), or leave `part` out.")
        case .tooLarge(let file, let bytes, let memory):
            "\(file) needs \(bytes >> 20) MB of memory, but this process is limited to \(memory >> 20) MB. "
                + "Use a machine with more memory, or check the file."
        case .mismatch(let file, let mismatch):
            "The weights in \(file) do not fit the backbone: \(mismatch) `zoetrope weights inspect` shows which "
                + "backbone they fit."
        }
    }
}

extension WeightsError {
    /// Remedy for a checkpoint with more layers than any backbone has.
    private static func remedy(leftOver names: [String]) -> String {
        let leaves = names.map { $0.lowercased() }
        if leaves.contains(where: { $0.contains("lora") }) {
            return "to merge adapters into the weights, save `model.merge_and_unload()` of peft"
        }
        if leaves.contains(where: { $0.contains("scale") || $0.contains("zero_point") }) {
            return "if its weights are quantised, save them dequantised, as float32"
        }
        return "export the variant to ONNX, and use `backbone: onnx`"
    }

    /// One line of Python as a shell command.
    package static func python(_ statement: String) -> String {
        "Make a usable file with: python3 -c 'import torch; \(statement)'"
    }

    /// A path as a Python string inside single quotes of a shell.
    package static func quoted(_ path: String) -> String {
        let escaped = path.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("'", with: "'\\''")
        return "\"\(escaped)\""
    }
}

package struct WeightsMismatch: Sendable, Equatable, CustomStringConvertible {
    package let missing: [String]
    /// Tensors in the file that the network does not use, those of modules with missing tensors first.
    package let unexpected: [String]
    /// `name: [found] instead of [expected]`.
    let wronglyShaped: [String]

    /// The network that the file seems to contain, such as "this looks like resnet101".
    package var hint: String?

    package init(expected: [Graph.Parameter], found: [String: [Int]]) {
        let names = Set(expected.map(\.name))
        missing = expected.map(\.name).filter { found[$0] == nil }
        // Unexpected tensors of modules with missing tensors come first because they explain the mismatch.
        let places = Set(expected.filter { found[$0.name] == nil }.map { Self.module(of: $0.name) })
        let isBesideMissing = { (name: String) in
            var module = Self.module(of: name)
            while !module.isEmpty, !places.contains(module) { module = Self.module(of: module) }
            return !module.isEmpty
        }
        let others = found.keys.filter { !names.contains($0) && !$0.hasSuffix("num_batches_tracked") }.sorted()
        unexpected = others.filter(isBesideMissing) + others.filter { !isBesideMissing($0) }
        wronglyShaped = expected.compactMap { parameter in
            guard let shape = found[parameter.name], shape != parameter.shape else { return nil }
            return "\(parameter.name): \(shape) instead of \(parameter.shape)"
        }
    }

    /// Whether all parameters were found; unexpected tensors are allowed.
    package var isEmpty: Bool { missing.isEmpty && wronglyShaped.isEmpty }

    /// The number of each kind, and the first few names.
    package var description: String {
        let parts = [("missing", missing), ("with another shape", wronglyShaped), ("unexpected", unexpected)]
        return parts.filter { !$0.1.isEmpty }
            .map { "\($0.1.count) \($0.0) (\(Self.first(of: $0.1)))" }
            .joined(separator: "; ") + "." + (hint.map { " " + $0 } ?? "")
    }

    private static func module(of name: String) -> String {
        name.split(separator: ".").dropLast().joined(separator: ".")
    }

    private static func first(of names: [String]) -> String {
        names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
    }
}

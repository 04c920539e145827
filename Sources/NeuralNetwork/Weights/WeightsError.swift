import Foundation

/// Why a weight file cannot be used.
public enum WeightsError: LocalizedError, Equatable {
    /// `published`: the name under which `zoetrope weights fetch` gets it, where it is a published file's.
    case missing(file: String, published: String?)
    case unreadable(file: String, reason: String)
    case malformed(file: String, reason: String)
    case mismatch(file: String, WeightsMismatch)
    case tooLarge(file: String, bytes: Int, memory: Int)
    /// A file of another kind, and how to make a usable one of it.
    case foreign(file: String, found: String, remedy: String)
    /// Weights of a relative of the network that has more layers.
    case leftOver(file: String, network: String, names: [String], hint: String?)
    case unknownPart(file: String, part: String, known: [String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .missing(let file, let published?):
            "There are no weights at \(file). `zoetrope weights fetch \(published)` gets them, into the folder `weights`."
        case .missing(let file, nil):
            "There are no weights at \(file). Correct the path; `zoetrope weights list` names published files."
        case .unreadable(let file, let reason):
            "Cannot read the weights \(file): \(reason). Check the file, or fetch it again."
        case .malformed(let file, let reason):
            "\(file) is not a usable weight file: \(reason). Fetch or write it again."
        case .foreign(let file, let found, let remedy): "\(file) is \(found). \(remedy). Then name the new file."
        case .leftOver(let file, let network, let names, let hint):
            "\(file) has more inside the modules of \(network) than \(network) has, without which its features would be wrong: "
                + "\(names.count == 1 ? "1 tensor" : "\(names.count) tensors") (\(names.prefix(3).joined(separator: ", "))"
                + "\(names.count > 3 ? ", …" : "")). Use another file or backbone: \(hint ?? Self.remedy(leftOver: names))."
        case .unknownPart(let file, let part, let known):
            "\(file) has no part `\(part)` that fits the network. "
                + (known.isEmpty
                    ? "Leave `part` out."
                    : "Write one of \(known.map { "`\($0)`" }.joined(separator: ", ")), or leave `part` out.")
        case .tooLarge(let file, let bytes, let memory):
            "\(file) asks for \(bytes >> 20) MB of the \(memory >> 20) MB of memory that this process may take. "
                + "Use a machine with more, or check the file."
        case .mismatch(let file, let mismatch):
            "The weights in \(file) do not fit the network: \(mismatch) `zoetrope weights inspect` says what they are."
        }
    }
}

extension WeightsError {
    /// What to do about a network with more in its modules than any backbone has.
    private static func remedy(leftOver names: [String]) -> String {
        let leaves = names.map { $0.lowercased() }
        if leaves.contains(where: { $0.contains("lora") }) {
            return "if adapters are to be merged into the weights, save `model.merge_and_unload()` of peft"
        }
        if leaves.contains(where: { $0.contains("scale") || $0.contains("zero_point") }) {
            return "if its weights are quantised, save them dequantised, as float32"
        }
        return "export the variant to ONNX, and use `backbone: onnx`"
    }

    /// A remedy in one line of Python, to be typed into a shell.
    package static func python(_ statement: String) -> String {
        "Make a usable file with: python3 -c 'import torch; \(statement)'"
    }

    /// A path as a string of Python inside single quotes of a shell.
    package static func quoted(_ path: String) -> String {
        let escaped = path.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("'", with: "'\\''")
        return "\"\(escaped)\""
    }
}

/// How the tensors of a file differ from what a network asks for.
public struct WeightsMismatch: Sendable, Equatable, CustomStringConvertible {
    /// Names the network needs and the file lacks.
    public let missing: [String]
    /// Names the file has and the network lacks, those in modules with missing tensors first.
    public let unexpected: [String]
    /// `name: [found] instead of [expected]`.
    let wronglyShaped: [String]

    /// What the file seems to be instead, such as "this looks like resnet101".
    public var hint: String?

    /// Compares the parameters a network needs with the shapes that were found.
    public init(expected: [Graph.Parameter], found: [String: [Int]]) {
        let names = Set(expected.map(\.name))
        missing = expected.map(\.name).filter { found[$0] == nil }
        // Those beside what is missing first: they say why.
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

    /// Whether the network can be filled; unexpected tensors do not prevent that.
    public var isEmpty: Bool { missing.isEmpty && wronglyShaped.isEmpty }

    /// How many of each kind, and the first few names.
    public var description: String {
        let parts = [("missing", missing), ("wrongly shaped", wronglyShaped), ("unexpected", unexpected)]
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

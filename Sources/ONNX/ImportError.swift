import Foundation

package enum ImportError: LocalizedError, Equatable {
    case unreadable(file: String, reason: String), malformed(file: String, reason: String)
    case unsupported(file: String, nodes: [Refusal])

    package struct Refusal: Sendable, Equatable { package let node, type, reason: String }

    package var errorDescription: String? {
        switch self {
        case .unreadable(let file, let reason):
            return "Cannot read the model \(file): \(reason). Check the file, or fetch it again."
        case .malformed(let file, let reason):
            return "\(file) is not a usable ONNX model: \(reason). Export or fetch it again."
        case .unsupported(let file, let nodes):
            let first = nodes.prefix(4).map { "\($0.type) (\($0.node)): \($0.reason)" }.joined(separator: "; ")
            let rest = nodes.count > 4 ? "; and \(nodes.count - 4) more" : ""
            return "\(file) has unsupported operations: \(first)\(rest). Name an earlier value as `tap`, or "
                + "export the network without these nodes."
        }
    }
}

package enum ExportError: LocalizedError, Equatable {
    case notWritable(path: String, reason: String), unknownOutput(String, available: [String])
    case unknownFunction(node: String)

    package var errorDescription: String? {
        switch self {
        case .notWritable(let path, let reason):
            "\(path) cannot be written: \(reason). Name a file in a writable folder with enough disk space for the "
                + "weights."
        case .unknownFunction(let node):
            "The network computes a function in \(node) that ONNX has no operator for. Export the original model "
                + "instead."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", ")). Name one of these."
        }
    }
}

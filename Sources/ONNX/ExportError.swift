import Foundation

package enum ExportError: LocalizedError, Equatable {
    case notWritable(path: String, reason: String), unknownOutput(String, available: [String])
    case unknownFunction(node: String)

    package var errorDescription: String? {
        switch self {
        case .notWritable(let path, let reason):
            "\(path) cannot be written: \(reason). Name a file in a writable folder with enough disk space for the "
                + "weights."
        case .unknownFunction(let node):
            "The network computes a function in \(node) that ONNX has no operator for. Export the original model instead."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", ")). Name one of these."
        }
    }
}

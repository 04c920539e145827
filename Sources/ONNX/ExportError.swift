import Foundation

/// Why a model cannot be written.
public enum ExportError: LocalizedError, Equatable {
    case notWritable(path: String, reason: String)
    case unknownOutput(String, available: [String])
    case unknownFunction(node: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .notWritable(let path, let reason):
            "\(path) cannot be written: \(reason). Name a file in a folder that may be written to, with room for the "
                + "weights."
        case .unknownFunction(let node):
            "The network computes a function in \(node) that has no operator of its own. Export from the model it came from."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); there are \(available.joined(separator: ", ")). Name one of these."
        }
    }
}

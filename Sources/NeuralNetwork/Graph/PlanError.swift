import Foundation

/// Why a graph cannot be planned.
public enum PlanError: LocalizedError, Equatable {
    case unsupported(node: String)
    case unknownOutput(String, available: [String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unsupported(let node):
            "The node \(node) cannot run in an inference plan; heads run in a training plan. Use that."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", ")). Name one of these as `extract.tap`."
        }
    }
}

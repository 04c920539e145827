import Foundation

package enum PlanError: LocalizedError, Equatable {
    case unsupported(node: String), unknownOutput(String, available: [String])

    package var errorDescription: String? {
        switch self {
        case .unsupported(let node): "The node \(node) cannot run in an inference plan. Use a training plan for heads."
        case .unknownOutput(let name, let available):
            "The network has no output \(name); it has \(available.joined(separator: ", ")). Name one of these as `extract.tap`."
        }
    }
}

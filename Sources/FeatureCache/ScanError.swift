import Foundation

/// Why clips cannot be chosen.
public enum ScanError: LocalizedError, Equatable {
    case condition(String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .condition(let condition, let reason):
            "--where \"\(condition.prefix(200))\" cannot be used: \(reason). It is SQL over the columns of `video` and `sample`, such as "
                + "label = 'dive' AND duration > 10."
        }
    }
}

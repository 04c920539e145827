import Foundation

/// Why clips cannot be chosen.
public enum ScanError: LocalizedError, Equatable {
    case condition(String, reason: String)
    case otherSize(path: String, stored: Int, question: Int)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .otherSize(let path, let stored, let question):
            "The features in \(path) have \(stored) values, but what is looked for has \(question): they are of different networks. Name "
                + "the weights that the features were extracted with."
        case .condition(let condition, let reason):
            "--where \"\(condition.prefix(200))\" cannot be used: \(reason). It is SQL over the columns of `video` and `sample`, such as "
                + "label = 'dive' AND duration > 10."
        }
    }
}

import Foundation

package enum ScanError: LocalizedError, Equatable {
    case condition(String, reason: String), otherSize(path: String, stored: Int, question: Int)

    package var errorDescription: String? {
        switch self {
        case .otherSize(let path, let stored, let question):
            "The features in \(path) have \(stored) values, but the query has \(question): they are from different backbones. Name "
                + "the weights that the features were extracted with."
        case .condition(let condition, let reason):
            "--where \"\(condition.prefix(200))\" cannot be used: \(reason). It is SQL over the columns of `video` and `sample`, such as "
                + "label = 'dive' AND duration > 10."
        }
    }
}

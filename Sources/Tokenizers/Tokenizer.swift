import Files
import Foundation

/// Converts text to the token IDs of a text tower.
package protocol Tokenizer: Sendable {
    var vocabularySize: Int { get }
    var padding: Int { get }
    /// Tokens of a text with special tokens, at most `limit`.
    func encode(_ text: String, limit: Int) -> [Int]
    /// Whether the text is truncated.
    func isTooLong(_ text: String, limit: Int) -> Bool
}

enum VocabularyFile {
    /// Maximum bytes of a vocabulary, and maximum JSON values.
    private static let (bytes, values) = (64 << 20, 4_000_000)

    /// Reads a vocabulary. Throws `TokenizerError`, also if the file is not regular, too large or nested too deeply.
    static func contents(_ file: String, isJSON: Bool = false) throws -> Data {
        do {
            return isJSON
                ? try RegularFile.json(file, limit: bytes, values: values)
                : try RegularFile.contents(file, limit: bytes)
        } catch {
            if error.problem == .missing { throw TokenizerError.missing(file: file) }
            throw TokenizerError.damaged(file: file, reason: error.reason)
        }
    }
}

package enum TokenizerError: LocalizedError, Equatable {
    case missing(file: String), damaged(file: String, reason: String)
    case notFound(beside: String, wanted: [String])

    package var errorDescription: String? {
        switch self {
        case .missing(let file): "\(file) does not exist or cannot be read. Name the vocabulary with --vocabulary."
        case .damaged(let file, let reason): "\(file) cannot be used as a vocabulary: \(reason). Fetch it again."
        case .notFound(let weights, let wanted):
            "There is no vocabulary in the folder of \(weights). Put the one that was published with it there ("
                + "\(wanted.joined(separator: ", "))), or name it with --vocabulary."
        }
    }
}

import Files
import Foundation

/// Turns text into the numbers that a text tower reads.
public protocol Tokenizer: Sendable {
    /// Tokens there are.
    var vocabularySize: Int { get }
    /// What shorter texts are filled up with.
    var padding: Int { get }
    /// Tokens of a text with what stands around it, at most `limit`.
    func encode(_ text: String, limit: Int) -> [Int]
    /// Whether some of the text is left out.
    func isTooLong(_ text: String, limit: Int) -> Bool
}

enum VocabularyFile {
    /// The most bytes of a vocabulary, and the most values of one in JSON.
    private static let (bytes, values) = (64 << 20, 4_000_000)

    /// The content of a vocabulary file.
    ///
    /// - Throws: `TokenizerError`, also for what is no regular file, too large or nested too deeply.
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

/// Why text cannot be turned into tokens.
public enum TokenizerError: LocalizedError, Equatable {
    case missing(file: String)
    case damaged(file: String, reason: String)
    case notFound(beside: String, wanted: [String])

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .missing(let file): "\(file) does not exist or cannot be read. Name the vocabulary with --vocabulary."
        case .damaged(let file, let reason): "\(file) cannot be used as a vocabulary: \(reason). Fetch it again."
        case .notFound(let weights, let wanted):
            "There is no vocabulary beside \(weights). Put the one that was published with it there ("
                + "\(wanted.joined(separator: ", "))), or name it with --vocabulary."
        }
    }
}

import Foundation

/// SigLIP's tokens: SentencePiece on text in lower case without punctuation, and the end; the second SigLIP's keep the
/// punctuation, and their model takes unknown characters apart into bytes.
///
/// Both are checked against `transformers`' with models trained for it; the second's published model, whose own symbols are
/// whole words of markup, has not been tried.
public struct SigLIPTokenizer: Tokenizer {
    private let model: SentencePieceTokenizer

    /// - Throws: `TokenizerError`.
    public init(file: String) throws { model = try SentencePieceTokenizer(file: file) }

    /// Tokens there are.
    public var vocabularySize: Int { model.vocabularySize }
    /// What shorter texts are filled up with: the end, of the second SigLIP token 0.
    public var padding: Int { model.fallsBackToBytes ? 0 : model.end }

    /// The text's tokens and the end.
    public func encode(_ text: String, limit: Int) -> [Int] { model.encode(prepared(text), limit: limit) }

    /// Whether some of the text is left out.
    public func isTooLong(_ text: String, limit: Int) -> Bool { model.isTooLong(prepared(text), limit: limit) }

    private static let punctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)

    private func prepared(_ text: String) -> String {
        if model.fallsBackToBytes { return text.lowercasedByCharacter }
        let kept = String(
            String.UnicodeScalarView(text.fullyLowercased.unicodeScalars.filter { !Self.punctuation.contains($0) }))
        return kept.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

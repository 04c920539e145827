import Foundation

/// SigLIP's tokenizer: SentencePiece on lower-case text without punctuation, with an end token. SigLIP 2 keeps
/// punctuation, and its model has byte fallback. Both are tested against `transformers` with specially trained models;
/// SigLIP 2's published model, whose own symbols are whole markup tags, has not been tested.
package struct SigLIPTokenizer: Tokenizer {
    private let model: SentencePieceTokenizer

    package init(file: String) throws { model = try SentencePieceTokenizer(file: file) }

    package var vocabularySize: Int { model.vocabularySize }
    /// The end token; token 0 for SigLIP 2.
    package var padding: Int { model.fallsBackToBytes ? 0 : model.end }

    package func encode(_ text: String, limit: Int) -> [Int] { model.encode(prepared(text), limit: limit) }

    package func isTooLong(_ text: String, limit: Int) -> Bool { model.isTooLong(prepared(text), limit: limit) }

    private static let punctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)

    private func prepared(_ text: String) -> String {
        if model.fallsBackToBytes { return text.lowercasedByCharacter }
        let kept = String(
            String.UnicodeScalarView(text.fullyLowercased.unicodeScalars.filter { !Self.punctuation.contains($0) }))
        return kept.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}

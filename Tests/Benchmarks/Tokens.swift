import Foundation
import Tokenizers

/// Tokens of many texts, for comparison with the publishers'.
enum TokenPrinter {
    /// `kind`: `clip`, `siglip` with its text normalisation and end token, or a SentencePiece model. `texts`: a JSON
    /// list.
    static func run(_ kind: String, vocabulary: String, texts: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: texts))
        let list = try JSONDecoder().decode([String].self, from: data)
        let tokens: [[Int]]
        if kind == "clip" {
            let tokenizer = try BytePairTokenizer(file: vocabulary)
            tokens = list.map { tokenizer.encode($0) }
        } else if kind == "siglip" {
            let tokenizer = try SigLIPTokenizer(file: vocabulary)
            tokens = list.map { tokenizer.encode($0, limit: 64) }
        } else {
            let tokenizer = try SentencePieceTokenizer(file: vocabulary)
            tokens = list.map { tokenizer.pieces(of: $0) }
        }
        print(String(decoding: try JSONEncoder().encode(tokens), as: UTF8.self))
    }
}

import Foundation
import TestSupport
import Testing

@testable import Tokenizers

@Suite struct TokenizerTests {
    struct Goldens: Decodable {
        let texts: [String]
        let clip, unigram, bpe, siglip2: [[Int]]
    }

    static let goldens: Goldens = fixture("tokens", in: Bundle.module)

    static func path(_ name: String, _ ending: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: ending)).path
    }

    @Test("byte pairs equal transformers', in several scripts, with emoji and control characters")
    func bytePairs() throws {
        let tokenizer = try BytePairTokenizer(file: Self.path("merges", "txt"))
        for (text, expected) in zip(Self.goldens.texts, Self.goldens.clip) {
            #expect(tokenizer.encode(text) == expected, "\(text.debugDescription)")
        }
    }

    @Test("tokens of the second SigLIP equal transformers', with the end in the last of 64 places")
    func secondSigLIP() throws {
        let tokenizer = try SigLIPTokenizer(file: Self.path("siglip2", "model"))
        #expect(tokenizer.padding == 0)
        for (text, expected) in zip(Self.goldens.texts, Self.goldens.siglip2) {
            #expect(tokenizer.encode(text, limit: 64) == expected, "\(text.debugDescription)")
        }
    }

    @Test("pieces equal SentencePiece's, unigram and byte pairs that fall back to bytes") func pieces() throws {
        for (name, wanted) in [("unigram", Self.goldens.unigram), ("bpe", Self.goldens.bpe)] {
            let tokenizer = try SentencePieceTokenizer(file: Self.path(name, "model"))
            for (text, expected) in zip(Self.goldens.texts, wanted) {
                let own = text.prefix { $0 != "\0" }
                #expect(tokenizer.pieces(of: String(own)) == expected, "\(name) \(text.debugDescription)")
            }
        }
    }
}

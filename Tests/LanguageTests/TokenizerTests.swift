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

    @Test("BPE tokens equal transformers', in several scripts, with emoji and control characters")
    func bytePairs() throws {
        let tokenizer = try BytePairTokenizer(file: Self.path("merges", "txt"))
        for (text, expected) in zip(Self.goldens.texts, Self.goldens.clip) {
            #expect(tokenizer.encode(text) == expected, "\(text.debugDescription)")
        }
    }

    @Test("SigLIP 2 tokens equal transformers', with the end token at the last of 64 positions")
    func secondSigLIP() throws {
        let tokenizer = try SigLIPTokenizer(file: Self.path("siglip2", "model"))
        #expect(tokenizer.padding == 0)
        for (text, expected) in zip(Self.goldens.texts, Self.goldens.siglip2) {
            #expect(tokenizer.encode(text, limit: 64) == expected, "\(text.debugDescription)")
        }
    }

    @Test("SentencePiece tokens equal the original's, for unigram models and BPE with byte fallback") func pieces()
        throws
    {
        for (name, wanted) in [("unigram", Self.goldens.unigram), ("bpe", Self.goldens.bpe)] {
            let tokenizer = try SentencePieceTokenizer(file: Self.path(name, "model"))
            for (text, expected) in zip(Self.goldens.texts, wanted) {
                let own = text.prefix { $0 != "\0" }
                #expect(tokenizer.pieces(of: String(own)) == expected, "\(name) \(text.debugDescription)")
            }
        }
    }
}

@Suite struct UntrustedVocabularyTests {
    let folder = ScratchFolder()

    @Test(
        "a named pipe given as a vocabulary is rejected immediately",
        arguments: ["merges.txt", "tokenizer.json", "spiece.model"])
    func pipes(name: String) throws {
        let path = folder.path + "/" + name
        try #require(mkfifo(path, 0o600) == 0)
        let words = "it is a named pipe, not a regular file"
        #expect(refusal { _ = try BytePairTokenizer(file: path) }.contains(words))
        #expect(refusal { _ = try SentencePieceTokenizer(file: path) }.contains(words))
        #expect(refusal { _ = try BytePairTokenizer(file: "/dev/zero") }.contains("a device"))
    }

    @Test("deeply nested JSON, or JSON with too many values, is rejected before it is parsed") func json() throws {
        let deep = try folder.file("deep.json", "{\"model\":" + String(repeating: "[", count: 500_000))
        #expect(refusal { _ = try BytePairTokenizer(file: deep) }.contains("nested more than 64 levels deep"))
        let path = try folder.file("many.json", "[" + String(repeating: "[],", count: 2_100_000) + "[]]")
        #expect(refusal { _ = try BytePairTokenizer(file: path) }.contains("values"))
    }

    @Test("empty pieces and invalid tokens cause no crash and no endless loop") func pieces() throws {
        func piece(_ text: String, kind: UInt8 = 1) -> Data {
            let bytes = Data(text.utf8)
            let inner = Data([0x0A, UInt8(bytes.count)]) + bytes + Data([0x18, kind])
            return Data([0x0A, UInt8(inner.count)]) + inner
        }
        func trainer(model: UInt8, end: [UInt8]) -> Data {
            let inner = Data([0x18, model, 0xD0, 0x02] + end)
            return Data([0x12, UInt8(inner.count)]) + inner
        }
        let pieces = piece("<unk>", kind: 2) + piece("a") + piece("b") + piece("", kind: 4)
        for model in [1, 2] as [UInt8] {
            let path = try folder.file("empty.model", pieces + trainer(model: model, end: [2]))
            let start = ContinuousClock.now
            let tokenizer = try SentencePieceTokenizer(file: path)
            #expect(!tokenizer.pieces(of: "ab ba").isEmpty)
            #expect(ContinuousClock.now - start < soon)
            // Only an empty piece.
            let none = try folder.file(
                "none.model", piece("<unk>", kind: 2) + piece("") + piece("", kind: 4) + trainer(model: model, end: [2])
            )
            #expect(try SentencePieceTokenizer(file: none).pieces(of: "ab") == [0])
            let wild = try folder.file("wild.model", pieces + trainer(model: model, end: [0xFF, 0xFF, 0xFF, 0xFF, 7]))
            #expect(throws: TokenizerError.self) { try SentencePieceTokenizer(file: wild) }
        }
    }
}

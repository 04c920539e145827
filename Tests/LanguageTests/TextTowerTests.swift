import Backbones
import FeatureCache
import Foundation
import NeuralNetwork
import TestSupport
import Testing
import Tokenizers
@testable import Language

@Suite struct TextTowerTests {
    struct Goldens: Decodable {
        let texts: [String]
        /// Every fourth element of vectors of length 1.
        let clip, siglip: [[Float]]
        let vocabulary: [Int]
    }

    static let goldens: Goldens = fixture("features", in: Bundle.module)

    static func encoder(_ backbone: String, _ numerics: Numerics, _ vocabulary: Int) throws -> TextEncoder {
        let tower = try #require(TextTower(of: backbone, numerics))
        let tokenizer: any Tokenizer =
            tower.isCausal
            ? try BytePairTokenizer(file: TokenizerTests.path("merges", "txt"))
            : try SigLIPTokenizer(file: TokenizerTests.path("unigram", "model"))
        return try TextEncoder(tower, weights: RandomParameters(), vocabularySize: vocabulary, tokenizer: tokenizer)
    }

    @Test("text features equal transformers' and open_clip's for the same parameters") func features() throws {
        let goldens = Self.goldens
        for (backbone, numerics, wanted, vocabulary) in [
            ("clip_vitb32", Numerics.openai, goldens.clip, goldens.vocabulary[0]),
            ("siglip_b16", .transformers, goldens.siglip, goldens.vocabulary[1]),
        ] {
            let encoder = try Self.encoder(backbone, numerics, vocabulary)
            for (ours, expected) in zip(try encoder.encode(goldens.texts), wanted) {
                let largest = expected.map(abs).max() ?? 0
                for (index, value) in expected.enumerated() { #expect(abs(ours[4 * index] - value) <= 1e-4 * largest) }
            }
        }
    }

    @Test(
        "a text tower in a separate file has its publisher's activation, whatever the image tower's convention"
    )
    func activation() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/text.safetensors"
        func numerics(_ names: [String], _ backbone: String) throws -> Numerics? {
            let tensors = names.map { ($0, Tensor(shape: [2, 2], values: [0, 0, 0, 0])) }
            try SafeTensorsWriter.write(Dictionary(uniqueKeysWithValues: tensors), to: path)
            let file = try openWeights(path: path)
            return TextModel.numerics(
                of: file, isTransformers: try TextWeights(file).isTransformers, backbone: backbone)
        }
        let text = "text_model.embeddings.token_embedding.weight"
        #expect(try numerics([text], "siglip_b16") == .transformers)
        // CLIP's tensor names do not determine it.
        #expect(try numerics([text], "clip_vitb32") == nil)
        #expect(try numerics(["text.token_embedding.weight"], "siglip_b16") == .timm)
        let image = "vision_model.embeddings.patch_embedding.weight"
        #expect(try numerics([text, image], "siglip_b16") == .transformers)
    }

    @Test("phrases give the same features alone and in a batch; empty ones are rejected") func alone() throws {
        let encoder = try Self.encoder("clip_vitb32", .openai, Self.goldens.vocabulary[0])
        let together = try encoder.encode(Self.goldens.texts)
        for (text, vector) in zip(Self.goldens.texts, together) {
            let own = try encoder.encode([text])[0]
            #expect(zip(own, vector).allSatisfy { abs($0 - $1) < 1e-5 })
        }
        #expect(throws: TextError.empty) { try encoder.encode([" \n"]) }
        #expect(encoder.isTooLong(String(repeating: "horse ball ", count: 60)) && !encoder.isTooLong("a horse"))
    }
}

@Suite struct ClassPromptsTests {
    @Test(
        "labels are split into words",
        arguments: [
            ("ApplyEyeMakeup", "apply eye makeup"), ("jump_rope", "jump rope"), ("brush-teeth", "brush teeth"),
            ("TaiChi", "tai chi"), ("run", "run"), ("YoYo", "yo yo"), ("playing the piano", "playing the piano"),
            ("TV", "TV"), ("WatchTVNews", "watch tv news"), ("Biking", "Biking"), ("", ""),
        ])
    func words(_ label: String, _ expected: String) { #expect(ClassPrompts.words(label) == expected) }

    @Test("a vocabulary named after the weights takes precedence over one in the same folder") func vocabulary() throws
    {
        let scratch = ScratchFolder()
        let fixture = try #require(Bundle.module.url(forResource: "Fixtures/merges", withExtension: "txt"))
        try scratch.file("merges.txt", Data("no vocabulary".utf8))
        let weights = scratch.path + "/clip.bin"
        #expect(throws: (any Error).self) { try Vocabulary.open(nil, beside: weights, isCausal: true) }
        try scratch.file("clip.merges.txt", try Data(contentsOf: fixture))
        #expect(try Vocabulary.open(nil, beside: weights, isCausal: true).vocabularySize > 512)
    }

    @Test("a class uses its name in each template, or its own prompts, in templates if there are any")
    func sentences() {
        #expect(ClassPrompts().sentences("jump_rope") == ["a photo of jump rope."])
        let own = ClassPrompts(prompts: ["run": ["somebody runs", "a race"]])
        #expect(own.sentences("run") == ["somebody runs", "a race"] && own.sentences("sit") == ["a photo of sit."])
        let both = ClassPrompts(prompts: ["run": ["a race"]], templates: ["a film of {}.", "{}, seen from afar"])
        #expect(both.sentences("run") == ["a film of a race.", "a race, seen from afar"])
        #expect(both.sentences("sit") == ["a film of sit.", "sit, seen from afar"])
    }
}

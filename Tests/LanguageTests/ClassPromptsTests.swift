import Foundation
import TestSupport
import Testing
import Tokenizers

@testable import Language

@Suite struct ClassPromptsTests {
    @Test(
        "labels are read as words",
        arguments: [
            ("ApplyEyeMakeup", "apply eye makeup"), ("jump_rope", "jump rope"), ("brush-teeth", "brush teeth"),
            ("TaiChi", "tai chi"), ("run", "run"), ("YoYo", "yo yo"), ("playing the piano", "playing the piano"),
            ("TV", "TV"), ("WatchTVNews", "watch tv news"), ("Biking", "Biking"), ("", ""),
        ])
    func words(_ label: String, _ expected: String) { #expect(ClassPrompts.words(label) == expected) }

    @Test("a vocabulary named after the weights comes before one that only lies beside them") func vocabulary() throws {
        let scratch = ScratchFolder()
        let fixture = try #require(Bundle.module.url(forResource: "Fixtures/merges", withExtension: "txt"))
        try scratch.file("merges.txt", Data("no vocabulary".utf8))
        let weights = scratch.path + "/clip.bin"
        #expect(throws: (any Error).self) { try Vocabulary.open(nil, beside: weights, isCausal: true) }
        try scratch.file("clip.merges.txt", try Data(contentsOf: fixture))
        #expect(try Vocabulary.open(nil, beside: weights, isCausal: true).vocabularySize > 512)
    }

    @Test("a class is its name in each template, or its own prompts, in templates where there are any")
    func sentences() {
        #expect(ClassPrompts().sentences("jump_rope") == ["a photo of jump rope."])
        let own = ClassPrompts(prompts: ["run": ["somebody runs", "a race"]])
        #expect(own.sentences("run") == ["somebody runs", "a race"] && own.sentences("sit") == ["a photo of sit."])
        let both = ClassPrompts(prompts: ["run": ["a race"]], templates: ["a film of {}.", "{}, seen from afar"])
        #expect(both.sentences("run") == ["a film of a race.", "a race, seen from afar"])
        #expect(both.sentences("sit") == ["a film of sit.", "sit, seen from afar"])
    }
}

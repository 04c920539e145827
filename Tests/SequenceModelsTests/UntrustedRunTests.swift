import Foundation
import NeuralNetwork
import TestSupport
import Testing
@testable import SequenceModels

/// Runs whose files somebody changed.
@Suite struct UntrustedRunTests {
    let folder: ScratchFolder

    init() throws { folder = try ScratchFolder() }

    @Test(
        "a named pipe in place of a run's file, or given as weights of a head, is refused at once",
        arguments: ["config.json", "last.safetensors", "model.safetensors"])
    func pipes(name: String) throws {
        try #require(mkfifo(folder.path + "/" + name, 0o600) == 0)
        let run = RunDirectory(path: folder.path)
        let words = "it is a named pipe, not a regular file"
        if name == "config.json" { #expect(refusal { _ = try run.load() }.contains(words)) }
        if name == "last.safetensors" { #expect(refusal { _ = try run.checkpointConfiguration() }.contains(words)) }
        #expect(refusal { _ = try openHeadWeights(path: folder.path + "/" + name, for: []) }.contains(words))
    }

    @Test("a config.json that is nested deeply or too large is refused before it is parsed")
    func configuration() throws {
        try folder.file("config.json", "{\"name\":" + String(repeating: "[", count: 500_000))
        let run = RunDirectory(path: folder.path)
        #expect(refusal { _ = try run.load() }.contains("nested more than 64 levels deep"))
        let path = try folder.file("config.json", "")
        try #require(truncate(path, 1 << 40) == 0)
        #expect(refusal { _ = try run.load() }.contains("the most that is read is"))
    }

    @Test("heads of impossible sizes are none")
    func sizes() {
        #expect(HeadConfiguration(kind: .gru, hidden: [64]).isPossible)
        #expect(HeadConfiguration(kind: .average).isPossible)
        #expect(HeadConfiguration(kind: .transformer, hidden: [128, 128]).isPossible)
        for head in [
            HeadConfiguration(kind: .gru, hidden: []), HeadConfiguration(kind: .gru, hidden: [.max]),
            HeadConfiguration(kind: .gru, hidden: [Int](repeating: 1, count: 65)),
            HeadConfiguration(kind: .attention, hidden: [-1]), HeadConfiguration(kind: .average, dense: 0),
            HeadConfiguration(kind: .average, projection: 1 << 40), HeadConfiguration(kind: .average, dropout: 1),
            HeadConfiguration(kind: .average, dropout: .nan),
            HeadConfiguration(kind: .transformer, hidden: [128], heads: 0),
            HeadConfiguration(kind: .transformer, hidden: [128], heads: 3),
            HeadConfiguration(kind: .transformer, hidden: [128, 64]),
            HeadConfiguration(kind: .transformer, hidden: [128], feedForward: .min),
        ] { #expect(!head.isPossible, "\(head.summary)") }
    }
}

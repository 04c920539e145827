import Foundation
import TestSupport
import Testing
@testable import PipelineFile

@Suite struct SweepPlanTests {
    static let base = """
        name: tiny
        dataset: {root: clips}
        extract: {backbone: resnet18, weights: random}
        sequence: {model: {kind: gru, hidden: 8}, epochs: 3}

        """

    static func plan(_ sweep: String) throws -> SweepPlan {
        let scratch = ScratchFolder()
        return try SweepPlan(file: scratch.file("p.yaml", base + sweep))
    }

    @Test("a grid contains every combination, the last key varying fastest, each a complete pipeline") func grid()
        throws
    {
        let plan = try Self.plan(
            "sweep: {sequence.optimizer.learning_rate: [1e-2, 1e-3], sequence.model: [{kind: average}, {kind: lstm, "
                + "hidden: 4}]}")
        #expect(plan.keys == ["sequence.optimizer.learning_rate", "sequence.model"])
        #expect(plan.points.map(\.name) == ["tiny-s01", "tiny-s02", "tiny-s03", "tiny-s04"])
        #expect(plan.points[1].values == ["1e-2", "{kind: lstm, hidden: 4}"])
        let rates = plan.points.compactMap { $0.pipeline.training?.optimizer.learningRate }
        #expect(rates == [0.01, 0.01, 0.001, 0.001])
        #expect(plan.points.map { $0.pipeline.training?.model.kind } == [.average, .lstm, .average, .lstm])
    }

    @Test("a random search samples from lists and ranges reproducibly") func random() throws {
        let text = """
            sweep:
              random: 40
              sequence.batch_size: [8, 16]
              sequence.optimizer.learning_rate: {from: 1e-5, to: 1e-1, scale: log}
            """
        let plan = try Self.plan(text)
        let rates = plan.points.compactMap { $0.pipeline.training?.optimizer.learningRate }
        #expect(rates.count == 40 && rates.allSatisfy { (1e-5...1e-1).contains($0) })
        #expect((8...32).contains(rates.count { $0 < 1e-3 }))
        #expect(Set(plan.points.compactMap { $0.pipeline.training?.batchSize }) == [8, 16])
        #expect(try Self.plan(text).points.map(\.values) == plan.points.map(\.values))
    }

    @Test(
        "keys that cannot be swept are errors that say why",
        arguments: [
            ("", "`sweep` is missing"), ("sweep: {}", "is empty"),
            ("sweep: {extract.image_size: [64]}", "only keys of `sequence`"),
            ("sweep: {sequence.seed: 3}", "must be a list"), ("sweep: {sequence.seed: []}", "must not be empty"),
            ("sweep: {sequence.lerning_rate: [1]}", "unknown key `sequence.lerning_rate`"),
            ("sweep: {sequence.epochs: [3, many]}", "`sequence.epochs` must be an integer"),
            ("sweep: {sequence.seed: {from: 1, to: 2}}", "must be a list"),
        ])
    func mistakes(sweep: String, words: String) {
        let error = #expect(throws: PipelineError.self) { try Self.plan(sweep) }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
}

/// Pipeline files crafted to crash the program, to hang it or to exhaust memory.
@Suite struct UntrustedPipelineTests {
    let folder = ScratchFolder()

    private func refusal(_ path: String) -> String { TestSupport.refusal { _ = try Pipeline(file: path) } }

    @Test("a named pipe, a device or a file of more than 4 MB is rejected immediately") func files() throws {
        let pipe = folder.path + "/p.yaml"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(refusal(pipe).contains("it is a named pipe, not a regular file"))
        #expect(refusal("/dev/zero").contains("it is a device"))
        let large = try folder.file("large.yaml", Data(repeating: UInt8(ascii: " "), count: (4 << 20) + 1))
        #expect(refusal(large).contains("the limit is 4194304"))
    }

    @Test("deeply nested lists are rejected, on one line or on many", arguments: ["[", "{", "- ", "? ", "{a: "])
    func nesting(part: String) throws {
        let path = try folder.file(
            "deep.yaml",
            "name: x\ndataset: " + (part.hasSuffix(" ") && !part.hasPrefix("{") ? "\n  " : "")
                + String(repeating: part, count: 100_000))
        let words = refusal(path)
        // libyaml itself rejects deeply nested flow sequences.
        #expect(words.contains("nested more than 64 levels deep") || words.contains("this is not YAML"), "\(words)")
        #expect(words.utf8.count < 3000)
    }

    @Test("values that aliases repeat are counted as if they were written out, also in keys") func aliases() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let items = [String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        #expect(refusal(try folder.file("laughs.yaml", text)).contains("more than 200000 values"))
        text += "? *a12\n: 1\n"
        #expect(refusal(try folder.file("keys.yaml", text)).contains("more than 200000 values"))
        #expect(!refusal(try folder.file("self.yaml", "a: &a [*a, *a]\n")).isEmpty)
    }
}

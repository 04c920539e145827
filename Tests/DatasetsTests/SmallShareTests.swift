import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Shares that are too small for some class, and the advice that is given.
@Suite struct SmallShareTests {
    let scratch = ScratchFolder()

    private func dataset(_ counts: [String: Int], test: Double, seed: Int = 0, group: String? = nil) throws
        -> DatasetConfiguration
    {
        for (label, count) in counts {
            for clip in 0..<count { try scratch.file("clips/\(label)/s\(clip / 2)_\(clip).mp4") }
        }
        return DatasetConfiguration(
            layout: .folders, root: scratch.path + "/clips", test: test, testSeed: seed, group: group)
    }

    @Test(
        "a share that sets nothing aside says which does, and that one does",
        arguments: [
            (["a": 4, "b": 4], 0.1, nil), (["a": 9, "b": 3], 0.04, nil), (["a": 8, "b": 4], 0.05, "s\\d"),
            (["a": 2, "b": 2], 0.2, nil),
        ] as [([String: Int], Double, String?)], [0, 7] as [Int])
    func nothing(given: ([String: Int], Double, String?), seed: Int) throws {
        let (counts, share, group) = given
        var dataset = try dataset(counts, test: share, seed: seed, group: group.map { "\\w+/\($0)" })
        let clips = try dataset.clips()
        #expect(clips.allSatisfy { $0.split == .train })
        let problem = try #require(dataset.testShareProblem(clips))
        #expect(problem.isEmpty && problem.classes == counts.keys.sorted())
        dataset.test = try #require(problem.smallest)
        #expect(problem.text.contains("Set it to \(dataset.test) or more"), "\(problem.text)")
        let divided = try dataset.clips()
        #expect(dataset.testShareProblem(divided) == nil)
        #expect(Set(divided.filter { $0.split == .train }.map(\.label)) == Set(counts.keys))
        let folds = try #require(problem.folds)
        let examples = clips.map { (label: $0.label, group: $0.group, name: $0.path) }
        #expect(Set(try Folds.assign(folds, examples: examples, seed: 1)).count == folds)
    }

    @Test("a share that is too small for some classes names them, and a class of one clip has no share")
    func some() throws {
        let dataset = try dataset(["many": 10, "few": 2, "one": 1], test: 0.1)
        let problem = try #require(dataset.testShareProblem(try dataset.clips()))
        #expect(!problem.isEmpty && problem.classes == ["few", "one"] && problem.folds == nil)
        #expect(problem.smallest == 0.26)
        #expect(problem.text == "`dataset.test: 0.1` gives 2 classes no test clip: few, one. Set it to 0.26 or more.")
        let alone = TestShareProblem(
            share: 0.4, classes: ["one"], isEmpty: false, isGrouped: false, smallest: 0.26, folds: nil)
        #expect(
            alone.text.hasSuffix("Add clips of other sources to this class, or leave it out with `dataset.classes`."))
    }

    @Test("a share that every class has a test clip of is no problem, nor is no share") func none() throws {
        let dataset = try dataset(["a": 10, "b": 5], test: 0.2)
        #expect(dataset.testShareProblem(try dataset.clips()) == nil)
        var without = dataset
        without.test = 0
        #expect(without.testShareProblem(try without.clips()) == nil)
    }
}

import Foundation
import TestSupport
import Testing
@testable import Datasets

@Suite struct TestShareTests {
    private let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for label in ["a", "b"] {
            for index in 0..<10 { try scratch.file("clips/\(label)/\(index).mp4", Data("\(label)\(index)".utf8)) }
        }
    }

    private func dataset(test: Double) -> DatasetConfiguration {
        DatasetConfiguration(layout: .folders, root: scratch.path + "/clips", validation: 0, test: test)
    }

    private func splits(_ clips: [Clip]) -> [String: Split] {
        Dictionary(uniqueKeysWithValues: clips.map { ($0.path, $0.split) })
    }

    @Test("the test share is stratified, seeded, and not recorded as a split of the data set") func share() throws {
        let clips = try dataset(test: 0.2).clips()
        let test = clips.filter { $0.split == .test }
        #expect(test.count == 4 && Set(test.map(\.label)) == ["a", "b"])
        #expect(clips.allSatisfy { $0.ownSplit == .train } && test.allSatisfy(\.isSetAside))
        var other = dataset(test: 0.2)
        other.testSeed = 5
        #expect(try splits(other.clips()) != splits(clips))
    }

    @Test("the cache and the folder give the same test share, whatever an older version stored") func placed() throws {
        let expected = try dataset(test: 0.2).clips()
        let stored = expected.map { Clip(path: $0.path, label: $0.label, split: $0.ownSplit) }
        #expect(try splits(dataset(test: 0.2).placed(stored)) == splits(expected))
        // The content that version 1.0 stored.
        let old = expected.map { Clip(path: $0.path, label: $0.label, split: $0.split) }
        #expect(try splits(dataset(test: 0.2).placed(old)) == splits(expected))
        #expect(try dataset(test: 0).placed(old).allSatisfy { $0.split == .train })
        #expect(try splits(dataset(test: 0.4).placed(old)) == splits(dataset(test: 0.4).clips()))
    }

    @Test("without the folder, a stored test share is used only if it equals that of the pipeline")
    func withoutFolder() throws {
        let old = try dataset(test: 0.2).clips().map { Clip(path: $0.path, label: $0.label, split: $0.split) }
        try FileManager.default.removeItem(atPath: scratch.path + "/clips")
        #expect(try splits(dataset(test: 0.2).placed(old)) == splits(old))
        #expect(throws: DatasetError.storedTest("clips", clips: 4)) { try dataset(test: 0.4).placed(old) }
        #expect(try splits(dataset(test: 0).placed(old)) == splits(old))
    }

    @Test("the data set's own test split is never merged into training") func ownTest() throws {
        try FileManager.default.createDirectory(atPath: scratch.path + "/own", withIntermediateDirectories: true)
        for index in 0..<10 {
            try scratch.file("own/\(index < 8 ? "train" : "test")/a/\(index).mp4", Data("\(index)".utf8))
        }
        let own = DatasetConfiguration(layout: .folders, root: scratch.path + "/own", validation: 0, test: 0.2)
        #expect(throws: DatasetError.hasTest("own")) { try own.clips() }
        let stored = try DatasetConfiguration(layout: .folders, root: scratch.path + "/own", validation: 0).clips()
        #expect(throws: DatasetError.storedTest("own", clips: 2)) { try own.placed(stored) }
    }
}

/// Shares that are too small for some class, and the suggested share.
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
        "an error for a share that sets nothing aside suggests a share that works",
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

    @Test("a warning names the classes for which a share is too small, and a class of one clip has no share")
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

    @Test("a share that gives every class a test clip causes no problem, and neither does no share") func none() throws
    {
        let dataset = try dataset(["a": 10, "b": 5], test: 0.2)
        #expect(dataset.testShareProblem(try dataset.clips()) == nil)
        var without = dataset
        without.test = 0
        #expect(without.testShareProblem(try without.clips()) == nil)
    }
}

/// Splits that are added to those of a data set.
@Suite struct PartTests {
    let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for label in ["run", "walk"] {
            for clip in 0..<20 { try scratch.file("clips/\(label)/cam\(clip / 4)_\(clip).mp4") }
        }
    }

    private func dataset(test: Double = 0, seed: Int = 0, group: String? = nil) -> DatasetConfiguration {
        DatasetConfiguration(layout: .folders, root: scratch.path + "/clips", test: test, testSeed: seed, group: group)
    }

    @Test("a test share is stratified, seeded and independent of the validation split with the same seed")
    func testPart() throws {
        let clips = try dataset(test: 0.2).clips()
        let test = clips.filter { $0.split == .test }
        #expect(Dictionary(grouping: test, by: \.label).mapValues(\.count) == ["run": 4, "walk": 4])
        #expect(try dataset(test: 0.2).clips() == clips)
        #expect(try dataset(test: 0.2, seed: 1).clips() != clips)
        let chosen = ValidationSplit.choose(
            fraction: 0.2, examples: try dataset().clips().map { ($0.label, $0.group, $0.path) }, seed: 0)
        #expect(Set(zip(clips, chosen).filter(\.1).map(\.0.path)) != Set(test.map(\.path)))
    }

    @Test(
        "a regular expression gives the source, as capture group or whole match; sources stay together"
    )
    func pattern() throws {
        let captured = try dataset(test: 0.25, group: #"/(cam\d+)_"#).clips()
        #expect(Set(captured.compactMap(\.group)) == ["cam0", "cam1", "cam2", "cam3", "cam4"])
        let sides = Dictionary(grouping: captured, by: \.group).values.map { Set($0.map(\.split)).count }
        #expect(sides.allSatisfy { $0 == 1 })
        #expect(Set(captured.map(\.split)) == [.train, .test])
        let whole = try dataset(group: #"^\w+/cam\d"#).clips()
        #expect(whole.contains { $0.group == "walk/cam3" })
        #expect(try dataset(group: "cam([01])").clips().contains { $0.group == nil })
    }

    @Test("an invalid pattern, a pattern without a match, and a test share beside an existing test split are errors")
    func errors() throws {
        for (pattern, words) in [("(cam", "`dataset.group` is the pattern"), ("scene", "it matches no path")] {
            #expect(refusal(of: DatasetError.self) { try dataset(group: pattern).clips() }.contains(words))
        }
        try scratch.file("parts/test/a/1.mp4")
        try scratch.file("parts/train/a/2.mp4")
        let parts = DatasetConfiguration(layout: .folders, root: scratch.path + "/parts", test: 0.5)
        #expect(throws: DatasetError.hasTest("parts")) { try parts.clips() }
    }

    @Test("any column of a CSV file can be the source; a missing column is an error that names it") func column() throws
    {
        let list = try scratch.file("l.csv", "path,label,Camera,group\na.mp4,x,c1,g1\nb.mp4,x,,g1\n")
        var dataset = DatasetConfiguration(layout: .csv, root: scratch.path, splits: list, group: "camera")
        #expect(try dataset.clips().map(\.group) == ["c1", nil])
        dataset.group = nil
        #expect(try dataset.clips().map(\.group) == ["g1", "g1"])
        dataset.group = "actor"
        #expect(
            throws: DatasetError.missingColumn(file: list, "actor", header: ["path", "label", "Camera", "group"])
        ) { try dataset.clips() }
    }

    @Test("all official splits list the same videos three times, each under its split's name") func allSplits() throws {
        for (number, (train, test)) in [("a", "b"), ("b", "c"), ("c", "a")].enumerated() {
            try scratch.file("lists/trainlist0\(number + 1).txt", "X/\(train).avi 1\n")
            try scratch.file("lists/testlist0\(number + 1).txt", "X/\(test).avi\n")
        }
        let dataset = DatasetConfiguration(
            layout: .ucf101, root: scratch.path + "/clips", splits: scratch.path + "/lists", allSplits: true)
        #expect(try dataset.clips().map(\.path) == ["X/a.avi", "X/b.avi", "X/c.avi"])
        #expect(dataset.parts.map(\.name) == ["clips/split1", "clips/split2", "clips/split3"])
        #expect(
            try dataset.parts.map { try $0.ownClips().filter { $0.split == .test }.map(\.path) } == [
                ["X/b.avi"], ["X/c.avi"], ["X/a.avi"],
            ])
    }

    @Test("an exclusion list contains one path per line, or a CSV column `path`") func exclusion() throws {
        let lines = try scratch.file("out.txt", "run/cam0_0.mp4\n\n walk/cam1_5.mp4 \n")
        var dataset = dataset()
        dataset.exclude = lines
        #expect(try dataset.clips().count == 38)
        dataset.exclude = try scratch.file("out.csv", "score,path\n0.9,run/cam0_0.mp4\n")
        #expect(try dataset.clips().count == 39)
        dataset.exclude = scratch.path + "/none.txt"
        #expect(throws: DatasetError.missingList(scratch.path + "/none.txt")) { try dataset.clips() }
    }
}

import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Parts that a data set is given beside those it has.
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

    @Test("a test part is a share of every class, seeded, and says nothing of the validation part of the same seed")
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

    @Test("a pattern on the path tells the source: its parentheses, or all of it; sources stay together")
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

    @Test("a pattern that is none, or is found nowhere, and a test part beside one that is there, are errors")
    func errors() throws {
        for (pattern, words) in [("(cam", "`dataset.group` is the pattern"), ("scene", "it matches no path")] {
            #expect(refusal(of: DatasetError.self) { try dataset(group: pattern).clips() }.contains(words))
        }
        try scratch.file("parts/test/a/1.mp4")
        try scratch.file("parts/train/a/2.mp4")
        let parts = DatasetConfiguration(layout: .folders, root: scratch.path + "/parts", test: 0.5)
        #expect(throws: DatasetError.hasTest("parts")) { try parts.clips() }
    }

    @Test("a CSV's column of any name is the source; one that is not there is named") func column() throws {
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

    @Test("all official splits are the same videos three times, each under its split's name") func allSplits() throws {
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

    @Test("what a list names is left out: a path a line, or CSV's column path") func exclusion() throws {
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

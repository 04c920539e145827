import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct LayoutTests {
    let scratch: ScratchFolder

    init() throws { scratch = try ScratchFolder() }

    @Test("folders are labels, sorted, whatever they are called")
    func folders() throws {
        for label in ["zebra", "It's \"quoted\"", "läufer 跑步", "a b"] { try scratch.file("\(label)/clip.mp4") }
        try scratch.file("zebra/.hidden.mp4")
        try scratch.file("zebra/notes.txt")
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(Set(clips.map(\.label)) == ["zebra", "It's \"quoted\"", "läufer 跑步", "a b"])
        #expect(clips.count == 4)
        #expect(clips.allSatisfy { $0.split == .train && $0.path == "\($0.label)/clip.mp4" })
        #expect(clips.map(\.path) == clips.map(\.path).sorted())
    }

    @Test("train, val and test folders are splits")
    func splitFolders() throws {
        for file in ["train/a/1.mp4", "train/b/2.avi", "val/a/3.mp4", "test/b/4.MKV"] { try scratch.file(file) }
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(Dictionary(grouping: clips, by: \.split).mapValues(\.count) == [.train: 2, .validation: 1, .test: 1])
        #expect(clips.first { $0.split == .validation }?.path == "val/a/3.mp4")
    }

    @Test("a folder that holds only images is one clip")
    func imageFolders() throws {
        for file in ["open/clip1/rgb1.png", "open/clip1/rgb2.png", "close/clip2/rgb1.jpg", "close/mixed/a.png"] {
            try scratch.file(file)
        }
        try scratch.file("close/mixed/readme.txt")
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(clips.map(\.path) == ["close/clip2", "open/clip1"])
    }

    @Test("a folder without videos, or no folder at all, is an error that shows what is expected")
    func noVideos() throws {
        let empty = DatasetConfiguration(layout: .folders, root: scratch.path)
        #expect(throws: DatasetError.noVideos(scratch.path)) { try empty.clips() }
        let missing = DatasetConfiguration(layout: .folders, root: scratch.path + "/none")
        #expect(throws: DatasetError.missingFolder(scratch.path + "/none")) { try missing.clips() }
    }

    @Test("UCF101's official lists are followed, and the groups of one source recognised")
    func ucf101() throws {
        try scratch.file(
            "lists/trainlist02.txt", "Archery/v_Archery_g08_c01.avi 3\r\nDiving/v_Diving_g08_c02.avi 26\n\n")
        try scratch.file("lists/testlist02.txt", "Archery/v_Archery_g01_c01.avi\n")
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/UCF-101", withIntermediateDirectories: true)
        let dataset = DatasetConfiguration(
            layout: .ucf101, root: scratch.path + "/UCF-101", splits: scratch.path + "/lists", split: 2)
        #expect(dataset.name == "UCF-101/split2")
        let clips = try dataset.clips()
        #expect(
            clips == [
                Clip(path: "Archery/v_Archery_g01_c01.avi", label: "Archery", split: .test, group: "Archery_g01"),
                Clip(path: "Archery/v_Archery_g08_c01.avi", label: "Archery", split: .train, group: "Archery_g08"),
                Clip(path: "Diving/v_Diving_g08_c02.avi", label: "Diving", split: .train, group: "Diving_g08"),
            ])
    }

    @Test("a malformed list is named with its line")
    func malformedList() throws {
        let list = try scratch.file("trainlist01.txt", "Archery/v_Archery_g08_c01.avi 3\nnonsense\n")
        try scratch.file("testlist01.txt", "")
        let dataset = DatasetConfiguration(layout: .ucf101, root: scratch.path, splits: scratch.path)
        #expect(throws: DatasetError.malformedList(file: list, line: 2, text: "nonsense")) { try dataset.clips() }
    }

    @Test("the true UCF101 lists have 9,537 training and 3,783 test clips", .enabled(if: OfficialLists.arePresent))
    func officialLists() throws {
        let dataset = DatasetConfiguration(layout: .ucf101, root: scratch.path, splits: OfficialLists.folder)
        let clips = try dataset.clips()
        #expect(clips.filter { $0.split == .train }.count == 9537)
        #expect(clips.filter { $0.split == .test }.count == 3783)
        #expect(Set(clips.map(\.label)).count == 101)
        #expect(clips.allSatisfy { $0.group != nil })
        let sides = Dictionary(grouping: clips, by: \.group).values.map { Set($0.map(\.split)).count }
        #expect(sides.allSatisfy { $0 == 1 })
    }

    @Test("classes are chosen by name, or by the number of training clips")
    func classes() throws {
        for (label, count) in [("few", 1), ("some", 2), ("many", 3), ("also", 2)] {
            for clip in 0..<count { try scratch.file("train/\(label)/\(clip).mp4") }
        }
        for clip in 0..<9 { try scratch.file("test/few/\(clip).mp4") }
        var dataset = DatasetConfiguration(layout: .folders, root: scratch.path, classes: .top(2))
        #expect(Set(try dataset.clips().map(\.label)) == ["also", "many"])
        dataset.classes = .named(["few", "some"])
        #expect(Set(try dataset.clips().map(\.label)) == ["few", "some"])
        dataset.classes = .named(["few", "sum"])
        #expect(throws: DatasetError.unknownClass("sum", available: ["also", "few", "many", "some"])) {
            try dataset.clips()
        }
    }
}

enum OfficialLists {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../shared/splits/ucf101").standardizedFileURL.path
    static let arePresent = FileManager.default.fileExists(atPath: folder + "/trainlist01.txt")
}

@Suite struct ValidationSplitTests {
    typealias Example = (label: String, group: String?, name: String)

    static let grouped: [Example] = (0..<300).map { index in
        let label = ["a", "b", "c"][index % 3]
        return (label, "\(label)\(index / 12)", "clip\(index)")
    }

    @Test("every label gives its share, and no group is torn apart", arguments: [0.1, 0.2, 0.3])
    func stratifiedAndGrouped(fraction: Double) {
        let chosen = ValidationSplit.choose(fraction: fraction, examples: Self.grouped, seed: 1)
        for label in ["a", "b", "c"] {
            let count = zip(Self.grouped, chosen).filter { $0.label == label && $1 }.count
            // Groups of four clips: the share is met to within half a group.
            #expect(abs(Double(count) - fraction * 100) <= 2)
        }
        let sides = Dictionary(grouping: zip(Self.grouped, chosen), by: { $0.0.group })
        #expect(sides.values.allSatisfy { Set($0.map(\.1)).count == 1 })
    }

    @Test("the choice depends on the seed, not on the order of the examples")
    func seeded() {
        let first = ValidationSplit.choose(fraction: 0.2, examples: Self.grouped, seed: 1)
        #expect(first != ValidationSplit.choose(fraction: 0.2, examples: Self.grouped, seed: 2))
        let backwards = ValidationSplit.choose(fraction: 0.2, examples: Self.grouped.reversed(), seed: 1)
        #expect(first == backwards.reversed())
    }

    @Test("without groups each clip stands for itself; a single clip of a class stays in train")
    func ungrouped() {
        let examples: [Example] = (0..<10).map { ("a", nil, "a\($0)") } + [("b", nil, "b")]
        let chosen = ValidationSplit.choose(fraction: 0.2, examples: examples, seed: 3)
        #expect(chosen.prefix(10).filter { $0 }.count == 2)
        #expect(chosen[10] == false)
    }
}

@Suite struct DemoSceneTests {
    @Test("an action backwards looks like its partner: no frame tells the pair apart")
    func pairsMirrorEachOther() {
        #expect(DemoAction.allCases.allSatisfy { $0.reversed.reversed == $0 && $0.reversed != $0 })
        let last = DemoScene.frameCount - 1
        for action in DemoAction.allCases {
            let (scene, partner) = (DemoScene(action, seed: 5), DemoScene(action.reversed, seed: 5))
            for index in [0, 17, last] {
                let difference = zip(scene.frame(index), partner.frame(last - index)).map { abs(Int($0) - Int($1)) }
                // Only the noise differs.
                #expect(difference.max()! <= 13)
            }
            #expect(scene.frame(0) != scene.frame(last))
        }
    }

    @Test("a seed gives one clip, another seed another")
    func seeded() {
        #expect(DemoScene(.grow, seed: 1).frame(9) == DemoScene(.grow, seed: 1).frame(9))
        #expect(DemoScene(.grow, seed: 1).frame(9) != DemoScene(.grow, seed: 2).frame(9))
    }
}

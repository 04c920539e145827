import Foundation
import TestSupport
import Testing
@testable import Datasets

@Suite struct LayoutTests {
    let scratch = ScratchFolder()

    @Test("folder names are labels, in sorted order, whatever their characters") func folders() throws {
        for label in ["zebra", "It's \"quoted\"", "läufer 跑步", "a b"] { try scratch.file("\(label)/clip.mp4") }
        try scratch.file("zebra/.hidden.mp4")
        try scratch.file("zebra/notes.txt")
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(Set(clips.map(\.label)) == ["zebra", "It's \"quoted\"", "läufer 跑步", "a b"])
        #expect(clips.count == 4)
        #expect(clips.allSatisfy { $0.split == .train && $0.path == "\($0.label)/clip.mp4" })
        #expect(clips.map(\.path) == clips.map(\.path).sorted())
    }

    @Test("train, val and test folders are splits") func splitFolders() throws {
        for file in ["train/a/1.mp4", "train/b/2.avi", "val/a/3.mp4", "test/b/4.MKV"] { try scratch.file(file) }
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(Dictionary(grouping: clips, by: \.split).mapValues(\.count) == [.train: 2, .validation: 1, .test: 1])
        #expect(clips.first { $0.split == .validation }?.path == "val/a/3.mp4")
    }

    @Test("a folder with images is one clip, also if it contains other files") func imageFolders() throws {
        for file in ["open/clip1/rgb1.png", "open/clip1/rgb2.png", "close/clip2/rgb1.jpg", "close/mixed/a.png"] {
            try scratch.file(file)
        }
        try scratch.file("close/mixed/readme.txt")
        let clips = try DatasetConfiguration(layout: .folders, root: scratch.path).clips()
        #expect(clips.map(\.path) == ["close/clip2", "close/mixed", "open/clip1"])
    }

    @Test("a folder without videos, or a missing folder, is an error that shows the expected layout")
    func noVideos() throws {
        let empty = DatasetConfiguration(layout: .folders, root: scratch.path)
        #expect(throws: DatasetError.noVideos(scratch.path)) { try empty.clips() }
        let missing = DatasetConfiguration(layout: .folders, root: scratch.path + "/none")
        #expect(throws: DatasetError.missingFolder(scratch.path + "/none")) { try missing.clips() }
    }

    @Test("UCF101's official lists are read, and groups of one source are detected") func ucf101() throws {
        try scratch.file(
            "lists/trainlist02.txt", "Archery/v_Archery_g08_c01.avi 3\r\nDiving/v_Diving_g08_c02.avi 26\n\n")
        try scratch.file("lists/testlist02.txt", "Archery/v_Archery_g01_c01.avi\n")
        try FileManager.default.createDirectory(atPath: scratch.path + "/UCF-101", withIntermediateDirectories: true)
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

    @Test("a malformed list is an error that names its line") func malformedList() throws {
        let list = try scratch.file("trainlist01.txt", "Archery/v_Archery_g08_c01.avi 3\nnonsense\n")
        try scratch.file("testlist01.txt", "")
        let dataset = DatasetConfiguration(layout: .ucf101, root: scratch.path, splits: scratch.path)
        #expect(throws: DatasetError.malformedList(file: list, line: 2, text: "nonsense")) { try dataset.clips() }
    }

    @Test("HMDB51's lists assign train, test or unused, and file names give the source") func hmdb51() throws {
        try scratch.file(
            "lists/brush_hair_test_split1.txt",
            "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \nAtrium_brush_hair_x_1.avi 2 \nUnused_brush_hair_y_2.avi 0 \n"
        )
        try scratch.file("lists/wave_test_split1.txt", "a_wave_b.avi 2\n")
        try scratch.file("lists/wave_test_split2.txt", "a_wave_b.avi 1\n")
        var dataset = DatasetConfiguration(
            layout: .hmdb51, root: scratch.path + "/hmdb51", splits: scratch.path + "/lists")
        #expect(dataset.name == "hmdb51/split1")
        #expect(
            try dataset.clips() == [
                Clip(
                    path: "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi", label: "brush_hair", split: .train,
                    group: "brush_hair_April_09"),
                Clip(
                    path: "brush_hair/Atrium_brush_hair_x_1.avi", label: "brush_hair", split: .test,
                    group: "brush_hair_Atrium"),
                Clip(path: "wave/a_wave_b.avi", label: "wave", split: .test, group: "wave_a"),
            ])
        dataset.split = 2
        #expect(try dataset.clips().map(\.split) == [.train])
        dataset.split = 3
        #expect(throws: DatasetError.self) { try dataset.clips() }
        try scratch.file("lists/bad_test_split3.txt", "x.avi 7\n")
        #expect(throws: DatasetError.self) { try dataset.clips() }
    }

    @Test("GTEA61 consists of folders of frames by user; S2 is the test set and optical flow is ignored") func gtea61()
        throws
    {
        for clip in ["S1/open_jam/1", "S2/open_jam/1", "S3/close_jam/2"] {
            try scratch.file("g/processed_frames2/\(clip)/rgb/rgb0001.png")
            try scratch.file("g/flow_x_processed/\(clip)/flow_x_0001.png")
        }
        let clips = try DatasetConfiguration(layout: .gtea61, root: scratch.path + "/g").clips()
        #expect(
            clips.map(\.path) == [
                "processed_frames2/S1/open_jam/1/rgb", "processed_frames2/S2/open_jam/1/rgb",
                "processed_frames2/S3/close_jam/2/rgb",
            ])
        #expect(clips.map(\.split) == [.train, .test, .train])
        let inner = DatasetConfiguration(layout: .gtea61, root: scratch.path + "/g/processed_frames2")
        #expect(try inner.clips().map(\.label) == ["open_jam", "open_jam", "close_jam"])
    }

    @Test("CSV lists with BOM, CRLF, quotes and empty lines are read; files are found under split and label")
    func csv() throws {
        try scratch.file("root/train/a.avi")
        try scratch.file("root/jump, high/b.avi")
        try scratch.file("lists/train.csv", "\u{FEFF}video_name,tag\r\na.avi,run\r\n\r\n\"b.avi\",\"jump, high\"\r\n")
        try scratch.file("lists/test.csv", "video_name,tag\nmissing.avi,run\n")
        try scratch.file("lists/notes.txt", "no list")
        let dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/root", splits: scratch.path + "/lists")
        #expect(
            try dataset.clips() == [
                Clip(path: "jump, high/b.avi", label: "jump, high", split: .train),
                Clip(path: "missing.avi", label: "run", split: .test),
                Clip(path: "train/a.avi", label: "run", split: .train),
            ])
    }

    @Test("one CSV file may contain splits and groups, and Kinetics' columns name files") func csvColumns() throws {
        let list = try scratch.file(
            "k.csv",
            "label,youtube_id,time_start,time_end,split\nabseiling,-3B32lodo2M,59,69,train\nzumba,x_y,0,10,val\n")
        let kinetics = DatasetConfiguration(layout: .csv, root: scratch.path, splits: list)
        #expect(try kinetics.clips().map(\.path) == ["-3B32lodo2M_000059_000069.mp4", "x_y_000000_000010.mp4"])
        #expect(try kinetics.clips().map(\.split) == [.train, .validation])
        let grouped = try scratch.file("g.csv", "Path, Class ,group,SPLIT\nv/1.mp4,a,g1,test\nv/1.mp4,a,g1,test\n")
        let clips = try DatasetConfiguration(layout: .csv, root: scratch.path, splits: grouped).clips()
        #expect(clips == [Clip(path: "v/1.mp4", label: "a", split: .test, group: "g1")])
    }

    @Test(
        "an invalid CSV row is an error that names its number",
        arguments: [
            ("name,label\na,b\n", "no column path"), ("path,name\na,b\n", "no column label"),
            ("path,label\n../secret.mp4,a\n", "row 2: ../secret.mp4 leads out"),
            ("path,label\nx.mp4,a\n/etc/passwd,a\n", "row 3: /etc/passwd leads out"),
            ("path,label\nx.mp4,\n", "row 2: the label is empty"),
            ("path,label,split\nx.mp4,a,tset\n", "row 2: the split tset"),
            ("path,label\nx.mp4,a\nx.mp4,b\n", "row 3: x.mp4 is b"),
        ])
    func csvErrors(text: String, words: String) throws {
        let list = try scratch.file("list.csv", text)
        let dataset = DatasetConfiguration(layout: .csv, root: scratch.path, splits: list)
        #expect(refusal(of: DatasetError.self) { try dataset.clips() }.contains(words))
    }

    @Test(
        "the original UCF101 lists have 9,537 training and 3,783 test clips",
        .enabled(if: OfficialLists.arePresent, "needs the official lists of UCF101"))
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

    @Test("classes are selected by name, or by the number of training clips") func classes() throws {
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

@Suite struct ValidationSplitTests {
    typealias Example = (label: String, group: String?, name: String)

    static let grouped: [Example] = (0..<300).map { index in
        let label = ["a", "b", "c"][index % 3]
        return (label, "\(label)\(index / 12)", "clip\(index)")
    }

    @Test("the validation split is stratified and group-aware", arguments: [0.1, 0.2, 0.3])
    func stratifiedAndGrouped(fraction: Double) {
        let chosen = ValidationSplit.choose(fraction: fraction, examples: Self.grouped, seed: 1)
        for label in ["a", "b", "c"] {
            let count = zip(Self.grouped, chosen).filter { $0.label == label && $1 }.count
            // Groups of four clips: the share is met within half a group.
            #expect(abs(Double(count) - fraction * 100) <= 2)
        }
        let sides = Dictionary(grouping: zip(Self.grouped, chosen), by: { $0.0.group })
        #expect(sides.values.allSatisfy { Set($0.map(\.1)).count == 1 })
    }

    @Test("the split depends on the seed, not on the order of the examples") func seeded() {
        let first = ValidationSplit.choose(fraction: 0.2, examples: Self.grouped, seed: 1)
        #expect(first != ValidationSplit.choose(fraction: 0.2, examples: Self.grouped, seed: 2))
        let backwards = ValidationSplit.choose(fraction: 0.2, examples: Self.grouped.reversed(), seed: 1)
        #expect(first == backwards.reversed())
    }

    @Test("without groups each clip is its own group; a single clip of a class stays in train") func ungrouped() {
        let examples: [Example] = (0..<10).map { ("a", nil, "a\($0)") } + [("b", nil, "b")]
        let chosen = ValidationSplit.choose(fraction: 0.2, examples: examples, seed: 3)
        #expect(chosen.prefix(10).filter { $0 }.count == 2)
        #expect(chosen[10] == false)
    }
}

@Suite struct DemoSceneTests {
    @Test("an action played backwards has the frames of its partner: no single frame separates the pair")
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

    @Test("a seed always gives the same clip, and another seed a different one") func seeded() {
        #expect(DemoScene(.grow, seed: 1).frame(9) == DemoScene(.grow, seed: 1).frame(9))
        #expect(DemoScene(.grow, seed: 1).frame(9) != DemoScene(.grow, seed: 2).frame(9))
    }
}

@Suite struct ClipSampleTests {
    @Test("a sample has few clips of few classes, with the share of each split") func sample() {
        let clips = (0..<400).map { index in
            Clip(path: "clip\(1000 + index)", label: "class\(10 + index % 20)", split: index < 300 ? .train : .test)
        }
        let chosen = ClipSample(classes: 5, clipsPerClass: 8).choose(from: clips)
        #expect(chosen.count == 40)
        #expect(Set(chosen.map(\.label)) == ["class12", "class16", "class20", "class24", "class28"])
        #expect(chosen.count { $0.split == .test } == 10)
        #expect(chosen.map(\.path) == chosen.map(\.path).sorted())
        #expect(ClipSample(classes: 50, clipsPerClass: 50).choose(from: clips) == clips)
        #expect(ClipSample(classes: 2, clipsPerClass: 2).choose(from: []).isEmpty)
    }
}

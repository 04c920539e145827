import Foundation
import TestSupport
import Testing
@testable import Datasets

/// Class folders with several labels a clip.
@Suite struct LabelFolderTests {
    let scratch = ScratchFolder()

    private func dataset(negatives: String? = nil) -> DatasetConfiguration {
        DatasetConfiguration(layout: .folders, root: scratch.path + "/root", task: .multilabel, negatives: negatives)
    }

    private func link(_ path: String, to target: String, isHard: Bool = false) throws {
        let (path, target) = (scratch.path + "/root/" + path, scratch.path + "/root/" + target)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if isHard {
            try FileManager.default.linkItem(atPath: target, toPath: path)
        } else {
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
        }
    }

    @Test("links to one file in several class folders are one clip with several labels", arguments: [false, true])
    func links(isHard: Bool) throws {
        try scratch.file("root/run/1.mp4", "1")
        try scratch.file("root/walk/2.mp4", "2")
        try scratch.file("root/none/3.mp4", "3")
        try link("jump/other.mp4", to: "run/1.mp4", isHard: isHard)
        #expect(
            try dataset(negatives: "none").clips() == [
                Clip(path: "jump/other.mp4", label: #"["jump","run"]"#, split: .train),
                Clip(path: "none/3.mp4", label: "[]", split: .train),
                Clip(path: "walk/2.mp4", label: #"["walk"]"#, split: .train),
            ])
        #expect(try dataset().clips().map(\.label) == [#"["jump","run"]"#, #"["none"]"#, #"["walk"]"#])
        var one = dataset()
        one.task = .classification
        #expect(try one.clips().map(\.path) == ["jump/other.mp4", "none/3.mp4", "run/1.mp4", "walk/2.mp4"])
    }

    @Test("folders of images can be linked too, and `classes` keeps clips without labels") func imageFolders() throws {
        try scratch.file("root/run/clip/1.png", "1")
        try scratch.file("root/none/other/1.png", "2")
        try scratch.file("root/none/notes.txt", "x")
        try link("jump/clip", to: "run/clip")
        var dataset = dataset(negatives: "none")
        #expect(try dataset.clips().map(\.label) == [#"["jump","run"]"#, "[]"])
        dataset.classes = .named(["run"])
        let listing = try dataset.listing()
        #expect(listing.clips.map(\.label) == [#"["run"]"#, "[]"])
        #expect(listing.leftOut.map(\.path) == ["none/notes.txt"])
    }

    @Test("links in different splits, negatives with labels and unknown negatives are errors") func errors() throws {
        try scratch.file("root/train/run/1.mp4")
        try link("test/jump/1.mp4", to: "train/run/1.mp4")
        #expect(throws: DatasetError.linkedSplits("test/jump/1.mp4", "train/run/1.mp4")) { try dataset().clips() }
        try FileManager.default.removeItem(atPath: scratch.path + "/root/test")
        try link("train/none/1.mp4", to: "train/run/1.mp4")
        #expect(throws: DatasetError.negativeWithLabels("train/none/1.mp4", negatives: "none", labels: ["run"])) {
            try dataset(negatives: "none").clips()
        }
        #expect(throws: DatasetError.unknownNegatives("nine", place: scratch.path + "/root")) {
            try dataset(negatives: "nine").clips()
        }
        try FileManager.default.removeItem(atPath: scratch.path + "/root/train/run")
        try FileManager.default.removeItem(atPath: scratch.path + "/root/train/none/1.mp4")
        try scratch.file("root/train/none/1.mp4")
        #expect(throws: DatasetError.noLabelledClip(scratch.path + "/root")) {
            try dataset(negatives: "none").clips()
        }
    }

    @Test("a test share has clips of every label; a label with too few clips is named") func testShare() throws {
        for index in 0..<12 {
            try scratch.file("root/run/\(index).mp4", "\(index)")
            if index % 2 == 0 { try link("jump/\(index).mp4", to: "run/\(index).mp4") }
        }
        var dataset = dataset()
        dataset.test = 0.25
        let test = try dataset.clips().filter { $0.split == .test }
        #expect(test.count == 3 && test.contains { $0.label == #"["jump","run"]"# })
        #expect(dataset.testShareProblem(try dataset.clips()) == nil)
        try scratch.file("root/walk/x.mp4", "x")
        let clips = try dataset.clips()
        let problem = try #require(dataset.testShareProblem(clips))
        #expect(problem.classes == ["walk"] && !problem.isEmpty && problem.folds == nil)
        #expect(
            problem.text == """
                `dataset.test: 0.25` gives the label no test clip: walk. Add clips of other sources to this label, or \
                leave it out with `dataset.classes`.
                """)
        #expect(dataset.mostFolds(clips) == nil)
        #expect(try dataset.placed(clips.map { Clip(path: $0.path, label: $0.label, split: $0.ownSplit) }) == clips)
    }
}

/// The test clips of `dataset.test` when files are copies of others.
@Suite struct CopiedTestShareTests {
    @Test(
        "the folder and the cache select the same test clips, each with the labels of its copies", arguments: [0, 1, 2])
    func same(seed: Int) throws {
        let scratch = ScratchFolder()
        var contents: [String: Int] = [:]
        for index in 0..<20 {
            for (label, step) in [("run", 1), ("jump", 2), ("walk", 5)] where index % step == 0 {
                try scratch.file("root/\(label)/\(label)\(index).mp4", "\(index)")
                contents["\(label)/\(label)\(index).mp4"] = index
            }
        }
        var dataset = DatasetConfiguration(
            layout: .folders, root: scratch.path + "/root", test: 0.25, testSeed: seed, task: .multilabel)
        for classes in [DatasetConfiguration.Classes.all, .named(["jump", "walk"])] {
            dataset.classes = classes
            let clips = try dataset.clips()
            let copies = CopiedClips(clips, contents: clips.map { contents[$0.path] }, of: dataset).clips
            #expect(copies.count == 20 && copies.count { $0.split == .test } == 5)
            if classes == .all { #expect(dataset.testShareProblem(copies) == nil) }
            // As a cache stores them.
            let stored = copies.map { Clip(path: $0.path, label: $0.listedLabel, split: $0.ownSplit) }
            let placed = try dataset.placed(stored)
            #expect(placed.map(\.split) == copies.map(\.split))
            let labels = try dataset.chosenLabels(from: placed.map { ($0.label, $0.split) })
            #expect(dataset.keeping(labels, of: placed).map(\.label) == copies.map(\.label))
        }
    }
}

@Suite struct CopiedClipsTests {
    static let clips = [
        Clip(path: "jump/1.mp4", label: #"["jump"]"#, split: .train),
        Clip(path: "none/2.mp4", label: "[]", split: .train),
        Clip(path: "run/1.mp4", label: #"["run"]"#, split: .train),
        Clip(path: "run/2.mp4", label: #"["run"]"#, split: .test),
        Clip(path: "walk/3.mp4", label: #"["walk"]"#, split: .train),
    ]

    @Test("copies are one clip with the labels of all; notes tell what contradicts") func severalLabels() {
        let copies = CopiedClips(
            Self.clips, contents: ["1", "2", "1", "2", nil],
            of: DatasetConfiguration(layout: .folders, root: "", task: .multilabel))
        #expect(copies.clips.map(\.path) == ["jump/1.mp4", "none/2.mp4", "walk/3.mp4"])
        #expect(copies.clips.map(\.label) == [#"["jump","run"]"#, #"["run"]"#, #"["walk"]"#])
        #expect(copies.firsts == [0, 1, 0, 1, 4] && copies.isCopy(2) && !copies.isCopy(4))
        #expect(
            copies.notes == [
                "run/2.mp4 has the same content as none/2.mp4, so they are one clip in train with the labels: run, "
                    + "although one of them has no label",
                "1 file is a copy of another; a clip has the labels of all its copies, such as jump/1.mp4 and "
                    + "run/1.mp4",
            ])
    }

    @Test("for one class a clip, the first copy is used, and a note names the lost label") func oneClass() {
        let clips = [("a/1.mp4", "a"), ("b/1.mp4", "b"), ("b/2.mp4", "b"), ("b/3.mp4", "b")].map {
            Clip(path: $0.0, label: $0.1, split: .train)
        }
        let copies = CopiedClips(clips, contents: [1, 1, 2, 2], of: DatasetConfiguration(layout: .folders, root: ""))
        #expect(copies.clips == [clips[0], clips[2]] && copies.summary == nil)
        #expect(copies.note(3) == "b/3.mp4 has the same content as b/2.mp4, so only b/2.mp4 is used")
        #expect(
            copies.notes == [
                "b/1.mp4 has the same content as a/1.mp4, so only a/1.mp4 is used, and the label b is lost; if a clip "
                    + "can have several labels, set `dataset.task: multilabel`"
            ])
    }
}

@Suite struct LabelStatisticsTests {
    @Test("labels a clip, clips without labels and pairs are counted") func statistics() {
        let statistics = LabelStatistics([["b", "a"], ["a", "b", "c"], [], ["c"]])
        #expect(statistics.clips == 4 && statistics.mean == 1.5 && statistics.most == 3 && statistics.unlabelled == 1)
        #expect(statistics.pairs.map { "\($0.one) \($0.other) \($0.clips)" } == ["a b 2", "a c 1", "b c 1"])
        #expect(LabelStatistics([]).mean == 0)
    }

    @Test("a sample of clips with several labels has clips of each chosen label") func sample() {
        let clips = (0..<40).map { index in
            let names = (index % 2 == 0 ? ["even"] : []) + (index % 5 == 0 ? ["five"] : [])
            return Clip(path: "clip\(100 + index)", label: LabelSet.text(names), split: .train)
        }
        let chosen = ClipSample(classes: 2, clipsPerClass: 3).choose(from: clips, task: .multilabel)
        let names = chosen.map { DatasetConfiguration.Task.multilabel.names(in: $0.label) }
        #expect(names.count { $0.contains("five") } >= 3 && names.count { $0.contains("even") } >= 3)
        #expect(chosen.count <= 6 && !names.contains([]))
    }
}

import Datasets
import FeatureCache
import Foundation
import TestSupport
import Testing
import Video
@testable import Extraction

@Suite struct DatasetCheckTests {
    @Test("missing files, classes that occur in one split only and leaks are found; a sound data set gives no findings")
    func problems() throws {
        let scratch = ScratchFolder()
        for (index, name) in ["train/run/a.y4m", "train/jump/b.y4m", "test/run/c.y4m", "test/jump/d.y4m"].enumerated() {
            try scratch.file("clips/" + name, TinyClip.numbered(index, frames: 1))
        }
        var dataset = DatasetConfiguration(layout: .folders, root: scratch.path + "/clips")
        #expect(try DatasetCheck(dataset, workers: 2).isClean)
        try scratch.file("clips/test/run/copy.y4m", TinyClip.numbered(0, frames: 1))
        try scratch.file("clips/train/swim/e.y4m", TinyClip.numbered(7, frames: 1))
        let check = try DatasetCheck(dataset, workers: 2)
        #expect(check.counts["run"] == [.train: 1, .test: 2])
        #expect(check.leaks.map { $0.map(\.path) } == [["test/run/copy.y4m", "train/run/a.y4m"]])
        #expect(check.onlyInOneSplit.map(\.label) == ["swim"] && check.onlyInOneSplit[0].missing == .test)
        try scratch.file("clips/train/run/notes.txt", "Text.")
        try FileManager.default.createDirectory(
            atPath: scratch.path + "/clips/train/fall", withIntermediateDirectories: true)
        let other = try DatasetCheck(dataset, workers: 1)
        #expect(!other.isClean && other.leftOut.map(\.path) == ["train/run/notes.txt"])
        #expect(other.emptyClasses.map(\.path) == ["train/fall"])
        let list = try scratch.file("list.csv", "path,label\ntrain/run/a.y4m,run\ngone.mp4,jump\n")
        dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/clips", splits: list)
        #expect(try DatasetCheck(dataset, workers: 1).unreadable.map(\.path) == ["gone.mp4"])
    }

    @Test("labels are counted by clip, and copies in other class folders are labels, not duplicates") func labels()
        throws
    {
        let scratch = ScratchFolder()
        for (name, number) in [
            ("train/jump/a", 0), ("train/run/b", 0), ("train/run/c", 1), ("train/run/d", 1), ("train/none/e", 2),
            ("test/run/f", 3), ("test/walk/g", 4),
        ] { try scratch.file("clips/\(name).y4m", TinyClip.numbered(number, frames: 1)) }
        var dataset = DatasetConfiguration(
            layout: .folders, root: scratch.path + "/clips", task: .multilabel, negatives: "none")
        let check = try DatasetCheck(dataset, workers: 2)
        #expect(check.counts == ["jump": [.train: 1], "run": [.train: 2, .test: 1], "walk": [.test: 1]])
        #expect(check.clips == [.train: 3, .test: 2] && check.unlabelled == [.train: 1])
        #expect(check.labels?.pairs.map(\.one) == ["jump"] && check.labels?.mean == 1)
        #expect(check.onlyInOneSplit.map { "\($0.label) \($0.missing)" } == ["jump test", "walk train"])
        #expect(check.duplicates.map { $0.map(\.path) } == [["train/run/c.y4m", "train/run/d.y4m"]])
        #expect(check.leaks.isEmpty && check.usable.count == 5)
        #expect(check.usable.first { $0.path == "train/jump/a.y4m" }?.label == #"["jump","run"]"#)
        try scratch.file("clips/test/jump/h.y4m", TinyClip.numbered(1, frames: 1))
        let leak = try DatasetCheck(dataset, workers: 2)
        #expect(leak.leaks.map(\.count) == [3])
        #expect(leak.notes.contains { $0.contains("so they are one clip in test with the labels: jump, run") })
        // For one class a clip, the other labels are lost.
        dataset.task = .classification
        #expect(try DatasetCheck(dataset, workers: 1).notes.contains { $0.contains("and the label run is lost") })
    }
}

@Suite struct ImageFolderDigestTests {
    @Test("the digest of a folder of images is computed from names and bytes in frame order, and ignores other files")
    func digest() throws {
        let scratch = ScratchFolder()
        for index in [0, 2, 10] { try scratch.file("clip/\(index).png", "\(index)") }
        // printf '0.png\\0%s2.png\\0%s10.png\\0%s' with the SHA-256 of 0, 2 and 10 | sha256sum
        let expected = "d0e648f5be34c42b6325f59e9a030c24b25139f112d6da1b3e0e6c5d05a8191c"
        #expect(try FileDigest.clip(path: scratch.path + "/clip") == expected)
        for name in ["Thumbs.db", "notes.txt", "masks/0.png"] { try scratch.file("clip/" + name) }
        try #require(mkfifo(scratch.path + "/clip/1.png", 0o600) == 0)
        #expect(try FileDigest.clip(path: scratch.path + "/clip") == expected)
        #expect(throws: VideoError.self) { try FileDigest.clip(path: scratch.path) }
    }

    @Test("file times far in the future cause no crash") func farTime() throws {
        let scratch = ScratchFolder()
        let path = try scratch.file("a.mp4")
        let times = [timespec(tv_sec: Int.max / 2, tv_nsec: 0), timespec(tv_sec: Int.max / 2, tv_nsec: 0)]
        _ = utimensat(AT_FDCWD, path, times, 0)
        #expect(try FileStamp(path: path).bytes == 1)
    }
}

@Suite struct DemoDatasetTests {
    @Test("demo clips are generated once and are identical on every run") func write() throws {
        let folder = NSTemporaryDirectory() + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try DemoDataset.write(to: folder, trainClips: 1, testClips: 0, workers: 2) == 8)
        #expect(try DemoDataset.write(to: folder, trainClips: 1, testClips: 0, workers: 2) == 0)
        let clip = folder + "/train/grow/grow-00.mp4"
        let information = try VideoReader(path: clip).information
        #expect(information.frameCount == 50 && information.frameRate == 25)
        #expect(information.width == 160 && information.height == 120 && information.duration == 2)
        let bytes = FileManager.default.contents(atPath: clip)
        try FileManager.default.removeItem(atPath: clip)
        #expect(try DemoDataset.write(to: folder, trainClips: 1, testClips: 0, workers: 1) == 1)
        #expect(FileManager.default.contents(atPath: clip) == bytes)
    }
}

@Suite("UCF101's official lists", .enabled(if: OfficialLists.arePresent, "needs the official lists of UCF101"))
struct RealListsTests {
    @Test("13,320 files are found, counted and split by group, and a leak among them is detected") func wholeDataset()
        throws
    {
        let scratch = ScratchFolder()
        var dataset = DatasetConfiguration(
            layout: .ucf101, root: scratch.path + "/UCF-101", splits: OfficialLists.folder)
        try FileManager.default.createDirectory(atPath: dataset.root, withIntermediateDirectories: true)
        let clips = try dataset.clips()
        #expect(clips.count == 13_320 && Set(clips.map(\.path)).count == 13_320)
        for label in Set(clips.map(\.label)) {
            try FileManager.default.createDirectory(
                atPath: "\(dataset.root)/\(label)", withIntermediateDirectories: true)
        }
        for (index, clip) in clips.enumerated() {
            #expect(
                FileManager.default.createFile(
                    atPath: "\(dataset.root)/\(clip.path)", contents: Data("clip \(index)".utf8)))
        }
        let check = try DatasetCheck(dataset, workers: 2)
        #expect(check.isClean)
        #expect(check.counts.count == 101)
        #expect(check.counts.values.reduce(0) { $0 + ($1[.train] ?? 0) } == 9_537)
        #expect(check.counts.values.reduce(0) { $0 + ($1[.test] ?? 0) } == 3_783)
        #expect(check.counts["TennisSwing"] == [.train: 117, .test: 49])

        let train = clips.filter { $0.split == .train }
        let isValidation = ValidationSplit.choose(
            fraction: 0.2, examples: train.map { ($0.label, $0.group, $0.path) }, seed: 42)
        func groups(_ chosen: Bool) -> Set<String> {
            Set(zip(train, isValidation).filter { $1 == chosen }.compactMap(\.0.group))
        }
        #expect(groups(true).isDisjoint(with: groups(false)))
        let shares = Dictionary(grouping: zip(train, isValidation), by: \.0.label).mapValues { members in
            Double(members.count { $0.1 }) / Double(members.count)
        }
        #expect(shares.count == 101 && shares.values.allSatisfy { abs($0 - 0.2) < 0.05 })

        let (trained, tested) = (train[0], try #require(clips.first { $0.split == .test }))
        try FileManager.default.removeItem(atPath: "\(dataset.root)/\(tested.path)")
        try FileManager.default.copyItem(
            atPath: "\(dataset.root)/\(trained.path)", toPath: "\(dataset.root)/\(tested.path)")
        try FileManager.default.removeItem(atPath: "\(dataset.root)/\(train[9].path)")
        let spoilt = try DatasetCheck(dataset, workers: 2)
        #expect(spoilt.leaks.map { Set($0.map(\.path)) } == [[trained.path, tested.path]])
        #expect(spoilt.unreadable.map(\.path) == [train[9].path])

        dataset.classes = .top(55)
        #expect(Set(try dataset.clips().map(\.label)).count == 55)
    }
}

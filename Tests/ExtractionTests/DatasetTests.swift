import Datasets
import Foundation
import TestSupport
import Testing
import Video

@testable import Extraction

@Suite struct DatasetCheckTests {
    @Test("missing files, classes in one split and leaks are found; a sound data set is clean")
    func problems() throws {
        let scratch = try ScratchFolder()
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
        let list = try scratch.file("list.csv", "path,label\ntrain/run/a.y4m,run\ngone.mp4,jump\n")
        dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/clips", splits: list)
        #expect(try DatasetCheck(dataset, workers: 1).unreadable.map(\.path) == ["gone.mp4"])
    }
}

@Suite struct DemoDatasetTests {
    @Test("clips are made once, the same on every run")
    func write() throws {
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

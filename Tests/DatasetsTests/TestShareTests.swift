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

    @Test("the share is stratified, seeded, and known as no part of the data set's own") func share() throws {
        let clips = try dataset(test: 0.2).clips()
        let test = clips.filter { $0.split == .test }
        #expect(test.count == 4 && Set(test.map(\.label)) == ["a", "b"])
        #expect(clips.allSatisfy { $0.ownSplit == .train } && test.allSatisfy(\.isSetAside))
        var other = dataset(test: 0.2)
        other.testSeed = 5
        #expect(try splits(other.clips()) != splits(clips))
    }

    @Test("a cache gives the same share as the folder does, whatever an older version stored") func placed() throws {
        let expected = try dataset(test: 0.2).clips()
        let stored = expected.map { Clip(path: $0.path, label: $0.label, split: $0.ownSplit) }
        #expect(try splits(dataset(test: 0.2).placed(stored)) == splits(expected))
        // What version 1.0 stored.
        let old = expected.map { Clip(path: $0.path, label: $0.label, split: $0.split) }
        #expect(try splits(dataset(test: 0.2).placed(old)) == splits(expected))
        #expect(try dataset(test: 0).placed(old).allSatisfy { $0.split == .train })
        #expect(try splits(dataset(test: 0.4).placed(old)) == splits(dataset(test: 0.4).clips()))
    }

    @Test("without the folder, a stored share is taken for that of the pipeline only if it is the same")
    func withoutFolder() throws {
        let old = try dataset(test: 0.2).clips().map { Clip(path: $0.path, label: $0.label, split: $0.split) }
        try FileManager.default.removeItem(atPath: scratch.path + "/clips")
        #expect(try splits(dataset(test: 0.2).placed(old)) == splits(old))
        #expect(throws: DatasetError.storedTest("clips", clips: 4)) { try dataset(test: 0.4).placed(old) }
        #expect(try splits(dataset(test: 0).placed(old)) == splits(old))
    }

    @Test("a test part of the data set's own is never joined to training") func ownTest() throws {
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

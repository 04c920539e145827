import Datasets
import FeatureCache
import Foundation
import TestSupport
import Testing

@testable import Extraction

/// UCF101's official lists, where they are at hand: in the folder `ZOETROPE_UCF101_LISTS`, or beside the checkout.
enum OfficialLists {
    static let folder: String =
        ProcessInfo.processInfo.environment["ZOETROPE_UCF101_LISTS"]
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/splits/ucf101")
        .standardizedFileURL.path

    static let arePresent = FileManager.default.fileExists(atPath: folder + "/trainlist01.txt")
}

@Suite("UCF101's official lists", .enabled(if: OfficialLists.arePresent, "needs the official lists of UCF101"))
struct RealListsTests {
    @Test("13,320 files are found, counted, split by group, and a leak among them is seen") func wholeDataset() throws {
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

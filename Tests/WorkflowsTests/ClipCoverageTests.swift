import Datasets
import FeatureCache
import Foundation
import SequenceModels
import TestSupport
import Testing
@testable import Workflows

@Suite struct ClipCoverageTests {
    private let scratch: ScratchFolder
    private let cache: CacheFile
    private let extraction: Int64
    private var root: String { scratch.path + "/clips" }

    init() throws {
        scratch = ScratchFolder()
        cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        extraction = try cache.addExtraction(
            ExtractionRecord(
                digest: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", name: "r", backbone: "b",
                weights: "random", weightsDigest: nil, tap: "pooled", imageSize: 32, maxFrames: 2, featureShape: [1],
                precision: "f32", recipe: "{}", version: "test"))
    }

    private var dataset: DatasetConfiguration { DatasetConfiguration(layout: .folders, root: root, validation: 0) }

    /// A clip on disk, with features if it was extracted.
    private func add(_ path: String, content: String? = nil, isExtracted: Bool = true) throws {
        try scratch.file("clips/" + path, Data((content ?? path).utf8))
        guard isExtracted else { return }
        try register(path, digest: content ?? path)
        try store(path, digest: content ?? path)
    }

    private func register(_ path: String, digest: String) throws {
        let parts = path.split(separator: "/").map(String.init)
        let sample = SampleRecord(dataset: "clips", label: parts[1], split: parts[0], group: nil)
        try cache.registerSamples([(VideoRecord(digest: digest, path: path), sample)])
    }

    private func store(_ path: String, digest: String) throws {
        try cache.store(
            SequenceRecord(frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: [1]),
            video: VideoRecord(digest: digest, path: path), extraction: extraction, maxFrames: 2, featureSize: 1)
    }

    private func coverage(_ dataset: DatasetConfiguration? = nil) throws -> ClipCoverage {
        try ClipCoverage(dataset ?? self.dataset, in: cache, extraction: extraction)
    }

    @Test("clips without features are counted by split and by reason") func counts() throws {
        for index in 0..<9 { try add("train/a/\(index).mp4") }
        try add("test/a/x.mp4")
        #expect(try coverage().note == nil)
        try add("train/b/late.mp4", isExtracted: false)
        try add("test/b/bad.mp4", isExtracted: false)
        try cache.recordFailure(path: "test/b/bad.mp4", error: "no frame", extraction: extraction)
        let coverage = try coverage()
        let text = "2 of 12 clips have no features (1 failed, 1 not extracted yet): train 1 of 10, test 1 of 2"
        #expect(coverage.note == text)
        #expect(throws: SequenceError.partial(text)) { try coverage.check(allowsPartial: false) }
        try coverage.check(allowsPartial: true)
        // Clips of classes that the pipeline does not use do not count.
        var some = dataset
        some.classes = .named(["a"])
        #expect(try self.coverage(some).note == nil)
    }

    @Test("a copy of a file counts like the file") func copies() throws {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  // SHA-256 of empty data
        for index in 0..<9 { try add("train/a/\(index).mp4") }
        try add("train/a/empty.mp4", content: "", isExtracted: false)
        try add("train/a/copy.mp4", content: "", isExtracted: false)
        try register("train/a/empty.mp4", digest: digest)
        try cache.recordFailure(path: "train/a/empty.mp4", error: "no frame", extraction: extraction)
        #expect(try coverage().note == "2 of 11 clips have no features (2 failed): train 2 of 11")
        try store("train/a/empty.mp4", digest: digest)
        #expect(try coverage().note == nil)
    }

    @Test("files that a list names but that do not exist are missing; up to a tenth of them is no error")
    func missingFiles() throws {
        for index in 0..<10 { try add("train/a/\(index).mp4") }
        var rows = (0..<11).map { "train/a/\($0).mp4,a,train" }
        func listed() throws -> DatasetConfiguration {
            let list = try scratch.file("list.csv", Data((["path,label,split"] + rows).joined(separator: "\n").utf8))
            return DatasetConfiguration(layout: .csv, root: root, splits: list, validation: 0)
        }
        let one = try coverage(try listed())
        #expect(one.note == "1 of 11 clips have no features (1 without a file): train 1 of 11")
        try one.check(allowsPartial: false)
        rows.append("train/a/11.mp4,a,train")
        #expect(throws: SequenceError.self) { try coverage(listed()).check(allowsPartial: false) }
    }

    @Test("the share that `dataset.test` sets aside is counted as test clips") func testShare() throws {
        for index in 0..<20 { try add("train/a/\(index).mp4") }
        var shared = DatasetConfiguration(
            layout: .folders, root: root + "/train", validation: 0, test: 0.25, name: "clips")
        shared.testSeed = 3
        let parts = try coverage(shared).parts
        #expect(parts.map(\.split) == ["train", "test"] && parts.map(\.listed) == [15, 5])
    }

    @Test("without the folder, clips in the cache count") func withoutFolder() throws {
        for index in 0..<4 { try add("train/a/\(index).mp4") }
        try register("train/a/late.mp4", digest: "late")
        try FileManager.default.removeItem(atPath: root)
        let coverage = try coverage()
        #expect(
            !coverage.isListed && coverage.note == "1 of 5 clips have no features (1 not extracted yet): train 1 of 5")
    }
}

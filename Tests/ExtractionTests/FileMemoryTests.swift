import FeatureCache
import Foundation
import TestSupport
import Testing

@Suite struct FileMemoryTests {
    /// A data set whose files were written long ago, extracted once.
    private static func extracted() throws -> (dataset: TinyDataset, cache: CacheFile) {
        let dataset = try TinyDataset()
        for name in ["jump/clip 0", "run/clip 1", "jump/clip 2", "run/clip 3"] {
            try age(dataset.root + "/\(name).y4m", days: 1)
        }
        let cache = try dataset.cache()
        #expect(try dataset.extractor().run(into: cache) { _ in }.extracted == 4)
        return (dataset, cache)
    }

    private static func age(_ path: String, days: Double) throws {
        let date = Date(timeIntervalSince1970: (Date.now.timeIntervalSince1970 - days * 86_400).rounded())
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    }

    /// Different content of the same length, in the same file.
    private static func overwrite(_ path: String) throws {
        let file = try #require(FileHandle(forWritingAtPath: path))
        defer { try? file.close() }
        try file.seek(toOffset: file.seekToEnd() - 8)
        file.write(Data("12345678".utf8))
    }

    @Test("a file with unchanged size, time and inode is not hashed again unless requested")
    func unchanged() throws {
        let (dataset, cache) = try Self.extracted()
        #expect(try cache.knownFiles().count == 4)
        let path = dataset.root + "/jump/clip 0.y4m"
        let modified = try #require(FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
        try Self.overwrite(path)
        try FileManager.default.setAttributes([.modificationDate: modified], ofItemAtPath: path)
        #expect(try dataset.extractor().run(into: cache) { _ in }.skipped == 4)
        var thorough = dataset.extractor()
        thorough.rehashes = true
        let summary = try thorough.run(into: cache) { _ in }
        #expect(summary.extracted == 1 && summary.skipped == 3)
        // The file that was read is recorded again.
        #expect(try dataset.extractor().run(into: cache) { _ in }.skipped == 4)
    }

    @Test("a changed time, a changed size or a replaced file is detected") func changed() throws {
        let (dataset, cache) = try Self.extracted()
        let (first, second, third) =
            (dataset.root + "/jump/clip 0.y4m", dataset.root + "/run/clip 1.y4m", dataset.root + "/run/clip 3.y4m")
        try Self.overwrite(first)
        try Self.age(first, days: 0.5)
        let times = try [second, third].map {
            try #require(FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date)
        }
        try dataset.add("run/clip 1.y4m", TinyClip.numbered(70, frames: 7))
        // Same size and time, but another file: written beside it and renamed.
        try FileManager.default.copyItem(atPath: third, toPath: third + ".new")
        try Self.overwrite(third + ".new")
        try FileManager.default.removeItem(atPath: third)
        // Keeps the inode of the removed file from being reused by the next one.
        try dataset.add("placeholder", Data([0]))
        try FileManager.default.moveItem(atPath: third + ".new", toPath: third)
        for (path, time) in zip([second, third], times) {
            try FileManager.default.setAttributes([.modificationDate: time], ofItemAtPath: path)
        }
        let summary = try dataset.extractor().run(into: cache) { _ in }
        #expect(summary.extracted == 3 && summary.skipped == 1)
    }

    @Test("a file that was written just before it was hashed is hashed again") func fresh() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        _ = try dataset.extractor().run(into: cache) { _ in }
        #expect(try cache.knownFiles().isEmpty)
        let path = dataset.root + "/jump/clip 0.y4m"
        let modified = try #require(FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
        try Self.overwrite(path)
        try FileManager.default.setAttributes([.modificationDate: modified], ofItemAtPath: path)
        #expect(try dataset.extractor().run(into: cache) { _ in }.extracted == 1)
    }

    @Test("a known file that was deleted is reported as before") func gone() throws {
        let (dataset, cache) = try Self.extracted()
        try FileManager.default.removeItem(atPath: dataset.root + "/jump/clip 0.y4m")
        #expect(try dataset.extractor().run(into: cache) { _ in }.skipped == 3)
    }
}

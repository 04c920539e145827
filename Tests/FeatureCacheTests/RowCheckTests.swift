import Digests
import Foundation
import TestSupport
import Testing
@testable import FeatureCache

/// Loads verify checksums once per state of the file.
@Suite struct RowCheckTests {
    let scratch: ScratchFolder
    let path: String
    private let recipe = RowCheckTests.recipe()

    init() throws {
        scratch = ScratchFolder()
        path = scratch.path + "/c.sqlite"
        let cache = try open(create: true)
        let id = try cache.addExtraction(recipe)
        for clip in 0..<6 {
            let video = VideoRecord(digest: String(format: "%064x", clip), path: "clip \(clip).mp4")
            try cache.register(video, dataset: "d", label: "\(clip % 2)")
            try cache.store(
                SequenceRecord(
                    frameIndices: [0, 1], frameTimes: [0, 1], decodeErrors: 0,
                    features: (0..<2000).map { Float($0) + Float(clip) / 10 }),
                video: video, extraction: id, maxFrames: 2, featureSize: 1000)
        }
    }

    static func recipe(type: StoredType = .float32, text: String = "{}") -> ExtractionRecord {
        ExtractionRecord(
            digest: hexDigest(Data(text.utf8)), name: "r", backbone: "b", weights: "random", weightsDigest: nil,
            tap: "pooled", imageSize: 32, maxFrames: 2, featureShape: [1000], elementType: type, precision: "f32",
            recipe: text, version: "test")
    }

    func open(create: Bool = false) throws -> CacheFile {
        try CacheFile(path: path, create: create, checks: scratch.path + "/checked")
    }

    /// Loads like another process, and returns how many sequences were hashed.
    func load(
        labels: Set<String>? = nil, memory: Int = .max, overlapping: Bool = false,
        then use: (CacheFile, FeatureSet) throws -> Void = { _, features in try features.requireVerified() }
    ) throws -> Int {
        let cache = try open()
        let features = try cache.features(
            dataset: "d", extraction: 1, labels: labels, memory: memory, overlapping: overlapping)
        try use(cache, features)
        return cache.check.compared
    }

    /// Like another program that writes to the file.
    func touch(_ seconds: Int = 1_000_000_000) throws {
        var times = [timespec(), timespec()]
        times[0].tv_sec = seconds
        times[1].tv_sec = seconds
        try #require(utimensat(AT_FDCWD, path, times, 0) == 0)
    }

    /// Changes one bit of a clip's features in the file, like a faulty disk.
    func damage(_ clip: Int) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let values = (100..<110).map { Float($0) + Float(clip) / 10 }
        let place = try #require(bytes.range(of: values.withUnsafeBytes { Data($0) }))
        bytes[place.lowerBound + 5] ^= 4
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try handle.write(contentsOf: bytes)
        try handle.close()
    }

    @Test("the first load hashes every sequence, later loads none until the file changes") func once() throws {
        #expect(try load() == 6)
        #expect(try load() == 0)
        #expect(try load(labels: ["0"]) == 0)
        try touch()
        #expect(try load() == 6)
        #expect(try load() == 0)
    }

    @Test("sequences that a load did not read are checked by the load that does") func parts() throws {
        #expect(try load(labels: ["0"]) == 3)
        #expect(try load() == 3)
        #expect(try load() == 0)
    }

    @Test("sequences stay checked after this program writes runs") func ownWrites() throws {
        #expect(try load() == 6)
        for number in 0..<2 {
            let compared = try load { cache, _ in
                let run = try cache.addRun("run \(number)", dataset: "d")
                try cache.finishRun(run, state: .failed)
            }
            #expect(compared == 0)
        }
        #expect(try load() == 0)
        // Written before the first load.
        let cache = try open()
        try cache.removeRun(named: "run 0")
        _ = try cache.features(dataset: "d", extraction: 1)
        #expect(cache.check.compared == 0)
    }

    @Test("a write by another program causes all sequences to be checked again") func otherWrites() throws {
        #expect(try load() == 6)
        try Example.alter(path, "UPDATE sample SET split = 'test' WHERE video_id = 1")
        #expect(try load() == 6)
        let cache = try open()
        _ = try cache.features(dataset: "d", extraction: 1)
        #expect(cache.check.compared == 0)
        try Example.alter(path, "UPDATE sample SET split = 'train' WHERE video_id = 1")
        _ = try cache.features(dataset: "d", extraction: 1)
        #expect(cache.check.compared == 6)
    }

    @Test("a new sequence is checked, and the same process does not check the others again") func added() throws {
        let cache = try open()
        _ = try cache.features(dataset: "d", extraction: 1)
        let video = VideoRecord(digest: String(format: "%064x", 99), path: "new.mp4")
        try cache.register(video, dataset: "d", label: "0")
        try cache.store(
            SequenceRecord(
                frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: [Float](repeating: 1, count: 1000)),
            video: video, extraction: 1, maxFrames: 2, featureSize: 1000)
        _ = try cache.features(dataset: "d", extraction: 1)
        #expect(cache.check.compared == 7)
    }

    @Test("one flipped bit is an error that names the clips, in memory and streamed, until it is repaired")
    func damaged() throws {
        #expect(try load() == 6)
        try damage(3)
        try damage(4)
        let expected = CacheError.damagedFeatures(
            path: path, recipe: "r", clips: ["clip 3.mp4", "clip 4.mp4"], count: 2)
        for _ in 0..<2 { #expect(throws: expected) { try load() } }
        #expect(try load(labels: ["9"]) == 0)
        let text = expected.localizedDescription
        #expect(text.contains("2 clips") && text.contains("cache prune \(path) --damaged"), "\(text)")
        let one = CacheError.damagedFeatures(path: path, recipe: "r", clips: ["clip 3.mp4"], count: 1)
        #expect(throws: one) {
            try load(memory: 0) { _, features in
                for example in features.examples { _ = try features.gather(example.views) }
            }
        }
        #expect(throws: one) {
            try CacheExport(extraction: 1, dataset: "d").write(.npz, from: open(), to: path + ".npz")
        }
        #expect(!FileManager.default.fileExists(atPath: path + ".npz"))
        let query = [[Float](repeating: 1 / Float(1000).squareRoot(), count: 1000)]
        #expect(throws: one) {
            try open().cosines(to: query, dataset: "d", extraction: StoredExtraction(id: 1, record: recipe))
        }
        #expect(throws: one) {
            try MappedFeatures.make(
                open(), extraction: StoredExtraction(id: 1, record: recipe), in: scratch.path + "/maps")
        }
        #expect(throws: one) { try open().sequenceRecords(extraction: 1, video: 4, featureSize: 1000, as: .float32) }
        #expect(throws: one) { try open().sequence(extraction: 1, video: 4) }
        var pruning = CachePruning()
        pruning.damaged = try open().damagedSequences()
        #expect(pruning.damaged.count == 2)
        _ = try open().prune(pruning)
        #expect(try load() == 4)
        #expect(try load() == 0)
    }

    @Test("streamed rows are hashed when they are first read") func streamed() throws {
        let compared = try load(memory: 0) { cache, features in
            #expect(cache.check.compared == 0)
            for _ in 0..<2 { _ = try features.gather(features.examples.flatMap(\.views)) }
        }
        #expect(compared == 6)
        #expect(try load() == 0)
    }

    @Test("if the record of checks cannot be read or written, rows are hashed again") func records() throws {
        #expect(try load() == 6)
        let folder = scratch.path + "/checked"
        let record = try #require(FileManager.default.contentsOfDirectory(atPath: folder).first)
        try scratch.file("checked/" + record, "{\"version\":1}")
        #expect(try load() == 6)
        try FileManager.default.removeItem(atPath: folder)
        try scratch.file("checked", "no folder")
        for _ in 0..<2 { #expect(try load() == 6) }
    }

    @Test("a set of rows contains the inserted rows, also after JSON") func rowSet() throws {
        var rows = RowSet()
        for row: Int64 in [0, 1, 63, 64, 1000, -1, .max, RowSet.limit] { rows.insert(row) }
        let copy = try JSONDecoder().decode([RowSet].self, from: JSONEncoder().encode([rows]))[0]
        #expect(copy == rows)
        let found = ([0, 1, 2, 63, 64, 65, 1000, 1001, -1, .max, .min, RowSet.limit] as [Int64]).filter(copy.contains)
        #expect(found == [0, 1, 63, 64, 1000])
    }
}

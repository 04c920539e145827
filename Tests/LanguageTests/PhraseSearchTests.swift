import Datasets
import FeatureCache
import Foundation
import GRDB
import NeuralNetwork
import TestSupport
import Testing

@testable import Language

/// Features in which known segments of known clips have a given direction.
@Suite struct PhraseSearchTests {
    private let scratch: ScratchFolder
    private let cache: CacheFile
    private let extraction: StoredExtraction
    private static let size = 16
    private static let planted: [(clip: Int, rows: ClosedRange<Int>)] = [(3, 10...14), (7, 0...3), (7, 30...39)]

    /// Ten clips of forty frames, half a second apart: noise, with the first direction in three segments.
    init() throws {
        scratch = ScratchFolder()
        cache = try CacheFile(path: scratch.path + "/c.sqlite")
        let record = ExtractionRecord(
            digest: "d", name: "r", backbone: "clip_vitb32", weights: "w", weightsDigest: nil, tap: "projected",
            imageSize: 224, maxFrames: 40, featureShape: [Self.size], elementType: .float16, precision: "f32",
            recipe: "{}", version: "test")
        extraction = StoredExtraction(id: try cache.addExtraction(record), record: record)
        var samples: [(video: VideoRecord, sample: SampleRecord)] = []
        for clip in 0..<10 {
            let noise = RandomParameters().uniform("clip \(clip)", count: 40 * Self.size).map { $0 - 0.5 }
            var features = noise
            for (place, rows) in Self.planted where place == clip {
                for row in rows { features[row * Self.size] += 6 - Float(abs(row - rows.lowerBound)) / 10 }
            }
            // Norms of features have no effect.
            features = features.map { $0 * Float(clip + 1) }
            let video = VideoRecord(digest: "v\(clip)", path: "\(clip).mp4")
            try cache.store(
                SequenceRecord(
                    frameIndices: Array(0..<40), frameTimes: (0..<40).map { Double($0) / 2 }, decodeErrors: 0,
                    features: features),
                video: video, extraction: extraction.id, maxFrames: 40, featureSize: Self.size, as: .float16)
            samples.append(
                (video, SampleRecord(dataset: "d", label: clip % 2 == 0 ? "even" : "odd", split: "train", group: nil)))
        }
        try cache.registerSamples(samples)
    }

    private var search: PhraseSearch {
        PhraseSearch(
            cache, dataset: "d", extraction: extraction,
            calibration: ScoreCalibration(scale: 100, bias: 0, isSigmoid: false))
    }

    private static func direction(_ place: Int, _ sign: Float = 1) -> [Float] {
        (0..<size).map { $0 == place ? sign : 0 }
    }

    @Test("planted segments are found with their first and last frame, and nothing else is") func moments() throws {
        let found = try search.moments(SearchQuery(wanted: [Self.direction(0)]), count: 20)
        let expected = Self.planted.map {
            ("\($0.clip).mp4", Double($0.rows.lowerBound) / 2, Double($0.rows.upperBound) / 2)
        }
        #expect(found.count == 3)
        for (path, start, end) in expected {
            let match = try #require(found.first { $0.path == path && $0.start == start })
            #expect(match.end == end && (start...end).contains(match.time) && match.score > 0.9)
        }
        #expect(found.map(\.score) == found.map(\.score).sorted(by: >))
    }

    @Test("clips are ranked as computed by hand, with their best moments") func clips() throws {
        let found = try search.clips(SearchQuery(wanted: [Self.direction(0)]), count: 3)
        #expect(Set(found.prefix(2).map(\.path)) == ["3.mp4", "7.mp4"])
        var best: [(String, Float)] = []
        let features = try cache.features(dataset: "d", extraction: extraction.id)
        for clip in features.examples {
            let cosines = (0..<40).map { row -> Float in
                let first = (clip.firstRow + row) * Self.size
                let own = Array(features.rows[first..<first + Self.size])
                return own[0] / own.reduce(0) { $0 + $1 * $1 }.squareRoot()
            }
            best.append((clip.path, cosines.max() ?? 0))
        }
        let exact = best.sorted { $0.1 > $1.1 }.prefix(3)
        #expect(found.map(\.path) == exact.map(\.0))
        #expect(zip(found, exact).allSatisfy { abs($0.score - $1.1) < 1e-5 })
    }

    @Test("the median equals that of the sorted values", arguments: [1, 2, 7, 100, 1001]) func median(_ count: Int) {
        let values = RandomParameters().uniform("median", count: count).map { ($0 - 0.5) * 3 } + [0, -0.0, -1e-30]
        #expect(OrderStatistic.median(values) == values.sorted()[values.count / 2])
        #expect(OrderStatistic.median([]) == 0 && OrderStatistic.median([-2, -2, 5]) == -2)
    }

    @Test("negative phrases lower the score and give probabilities; several phrases are averaged")
    func negatives() throws {
        let plain = try search.clips(SearchQuery(wanted: [Self.direction(0)]), count: 10)
        #expect(plain.allSatisfy { $0.probability == nil })
        let opposite = SearchQuery(wanted: [Self.direction(0)], unwanted: [Self.direction(0, -1), Self.direction(1)])
        let found = try search.clips(opposite, count: 10)
        #expect(found.allSatisfy { ($0.probability ?? -1) >= 0 && ($0.probability ?? 2) <= 1 })
        #expect(Set(found.prefix(2).map(\.path)) == ["3.mp4", "7.mp4"] && (found[0].probability ?? 0) > 0.99)
        let middle = SearchQuery(wanted: [Self.direction(0), Self.direction(1)])
        #expect(abs(middle.wanted[0] - Float(0.5).squareRoot()) < 1e-6 && middle.wanted[0] == middle.wanted[1])
        let sigmoid = PhraseSearch(
            cache, dataset: "d", extraction: extraction,
            calibration: ScoreCalibration(scale: 10, bias: -5, isSigmoid: true))
        let match = try #require(try sigmoid.clips(SearchQuery(wanted: [Self.direction(0)]), count: 1).first)
        #expect(abs((match.probability ?? 0) - 1 / (1 + exp(5 - 10 * match.score))) < 1e-6)
    }

    @Test("a label filters the search, also of several labels a clip") func labels() throws {
        let query = SearchQuery(wanted: [Self.direction(0)])
        let odd = try search.clips(query, where: "path <> '7.mp4'", labels: ["odd"], count: 10)
        #expect(odd.count == 4 && odd[0].path == "3.mp4" && odd[0].label == "odd" && odd[0].labels == nil)
        #expect(throws: LabelFilterError.self) { try search.moments(query, labels: ["none"], count: 5) }
        try cache.registerSamples(
            (0..<10).map { clip in
                let names = clip == 3 ? ["jump", "run"] : clip == 7 ? ["run"] : []
                return (
                    VideoRecord(digest: "v\(clip)", path: "\(clip).mp4"),
                    SampleRecord(
                        dataset: "d", label: LabelSet.text(names), split: "train", group: nil, labels: names,
                        source: .list)
                )
            })
        let found = try search.moments(query, labels: ["run"], count: 10)
        #expect(Set(found.map(\.path)) == ["3.mp4", "7.mp4"] && found.count == 3)
        let both = try search.clips(query, labels: ["run", "jump"], count: 10)
        #expect(both.map(\.path) == ["3.mp4"] && both[0].labels == ["jump", "run"] && both[0].label == nil)
        #expect(both[0].shownLabel == "jump, run")
        let none = try search.clips(query, where: "label = '[]'", count: 1)
        #expect(none[0].shownLabel == "none" && none[0].labels == [])
        let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(both[0])) as? [String: Any]
        #expect(json?["labels"] as? [String] == ["jump", "run"] && json?["label"] == nil)
    }

    @Test("an SQL condition filters the search; invalid SQL is an error that says so") func conditions() throws {
        let query = SearchQuery(wanted: [Self.direction(0)])
        let odd = try search.clips(query, where: "label = 'odd' AND path <> '7.mp4'", count: 10)
        #expect(odd.count == 4 && odd[0].path == "3.mp4" && odd.allSatisfy { $0.label == "odd" })
        #expect(throws: ScanError.self) { try search.clips(query, where: "labl = 'odd'", count: 1) }
        #expect(try search.moments(query, where: "label = 'none'", count: 5).isEmpty)
    }

    private static func guideQuery() throws -> String {
        let path = URL(fileURLWithPath: #filePath).appending(path: "../../../docs/cache.md").standardizedFileURL.path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let start = try #require(text.range(of: "SELECT path, time, round(1 - vec_distance_cosine("))
        let end = try #require(text.range(of: "LIMIT 3\"", range: start.lowerBound..<text.endIndex))
        return String(text[start.lowerBound..<end.upperBound].dropLast())
    }

    @Test("the guide's SQL gives the same results as `search`") func readme() throws {
        let path = scratch.path + "/float32.sqlite"
        let cache = try CacheFile(path: path)
        let record = ExtractionRecord(
            digest: "e", name: "s", backbone: "clip_vitb32", weights: "w", weightsDigest: nil, tap: "projected",
            imageSize: 224, maxFrames: 40, featureShape: [Self.size], precision: "f32", recipe: "{}", version: "test")
        let id = try cache.addExtraction(record)
        let features = try self.cache.features(dataset: "d", extraction: extraction.id)
        for clip in features.examples {
            let video = VideoRecord(digest: clip.path, path: clip.path)
            try cache.store(
                SequenceRecord(
                    frameIndices: Array(0..<40), frameTimes: (0..<40).map { Double($0) / 2 }, decodeErrors: 0,
                    features: Array(features.rows[clip.firstRow * Self.size..<(clip.firstRow + 40) * Self.size])),
                video: video, extraction: id, maxFrames: 40, featureSize: Self.size)
            try cache.registerSamples([(video, SampleRecord(dataset: "d", label: "a", split: "train", group: nil))])
        }
        try cache.store(phrases: [("a person falls off a bicycle", Self.direction(0))], extraction: id)
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            // Like sqlite-vec's, which need not be installed for this test.
            database.add(
                function: DatabaseFunction("vec_distance_cosine", argumentCount: 2, pure: true) { values in
                    func vector(_ value: DatabaseValue) -> [Float] {
                        (Data.fromDatabaseValue(value) ?? Data()).withUnsafeBytes {
                            Array($0.bindMemory(to: Float.self))
                        }
                    }
                    let (first, second) = (vector(values[0]), vector(values[1]))
                    func product(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
                    return Double(
                        1 - product(first, second) / (product(first, first) * product(second, second)).squareRoot())
                })
        }
        let rows = try DatabaseQueue(path: path, configuration: configuration).read {
            try Row.fetchAll($0, sql: try Self.guideQuery())
        }
        let search = PhraseSearch(
            cache, dataset: "d", extraction: StoredExtraction(id: id, record: record), calibration: nil)
        let best = try search.clips(SearchQuery(wanted: [Self.direction(0)]), count: 2)
        #expect(rows.count == 3 && abs((rows[0]["score"] as Double) - Double(best[0].score)) < 1e-3)
        #expect(rows[0]["path"] as String == best[0].path && rows[0]["time"] as Double == best[0].time)
    }

    @Test("memory-mapped features give the same results, and are rebuilt when the cache changes")
    func mapped() throws {
        let folder = scratch.path + "/mapped"
        #expect(try MappedFeatures.open(cache, extraction: extraction, in: folder) == nil)
        #expect(try MappedFeatures.make(cache, extraction: extraction, in: folder, isCancelled: { true }) == nil)
        let frames = try #require(try MappedFeatures.make(cache, extraction: extraction, in: folder))
        #expect(frames.bytes > 10 * 40 * Self.size * 2)
        let fast = PhraseSearch(
            cache, dataset: "d", extraction: extraction,
            calibration: ScoreCalibration(scale: 100, bias: 0, isSigmoid: false), mapped: frames)
        let query = SearchQuery(wanted: [Self.direction(0)], unwanted: [Self.direction(1), Self.direction(2)])
        for condition in [nil, "label = 'odd'", "path < '5'"] {
            let expected = try search.moments(query, where: condition, count: 20)
            #expect(try fast.moments(query, where: condition, count: 20) == expected)
            #expect(
                try fast.clips(query, where: condition, count: 4) == search.clips(query, where: condition, count: 4))
        }
        #expect(throws: ScanError.self) { try fast.clips(query, where: "labl = 1", count: 1) }
        #expect(try MappedFeatures.open(cache, extraction: extraction, in: folder) != nil)
        let video = VideoRecord(digest: "new", path: "new.mp4")
        try cache.store(
            SequenceRecord(
                frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: [Float](repeating: 1, count: Self.size)),
            video: video, extraction: extraction.id, maxFrames: 40, featureSize: Self.size, as: .float16)
        #expect(try MappedFeatures.open(cache, extraction: extraction, in: folder) == nil)
        #expect(throws: CacheError.self) { try MappedFeatures.make(cache, extraction: extraction, in: "/proc/none") }
    }

    @Test("a damaged file of mapped features is rejected, or has the expected clips") func damagedMap() throws {
        let folder = scratch.path + "/mapped"
        let whole = try #require(try MappedFeatures.make(cache, extraction: extraction, in: folder))
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        let file = URL(fileURLWithPath: folder + "/" + name)
        let bytes = try Data(contentsOf: file)
        let header = try #require(bytes.firstIndex(of: 10))
        // Every byte of the header, and of lengths and clips at the end.
        for place in Array(0..<header) + Array(bytes.count - 16 * 10..<bytes.count) {
            var damaged = bytes
            damaged[place] ^= UInt8.random(in: 1...255)
            try damaged.write(to: file)
            guard let found = try MappedFeatures.open(cache, extraction: extraction, in: folder) else { continue }
            #expect(found.bytes == whole.bytes)
        }
        try bytes.prefix(bytes.count - 1).write(to: file)
        #expect(try MappedFeatures.open(cache, extraction: extraction, in: folder) == nil)
    }

    @Test("text features of phrases are stored in the cache, where SQL finds them") func phrases() throws {
        try cache.store(phrases: [("up", Self.direction(0)), ("up", Self.direction(1))], extraction: extraction.id)
        let stored = try DatabaseQueue(path: cache.path).read {
            try Row.fetchAll($0, sql: "SELECT phrase, length(feature) / 4 AS numbers FROM phrase")
        }
        #expect(stored.count == 1 && stored[0]["numbers"] as Int == Self.size)
    }
}

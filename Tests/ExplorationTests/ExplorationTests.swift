import Datasets
import Digests
import FeatureCache
import Foundation
import SequenceModels
import TestSupport
import Testing
@testable import Exploration

/// Generated features with a known answer.
enum Planted {
    /// Clips of `classes`, each near its class's centre; `wrong` of them have a wrong label.
    static func features(
        _ count: Int, classes: Int = 4, size: Int = 16, spread: Float = 0.4, wrong: Set<Int> = [], seed: UInt64 = 1
    ) -> FeatureSet {
        var generator = SplitMix64(seed: seed)
        func uniform() -> Float { Float.random(in: -1...1, using: &generator) }
        let centres = (0..<classes).map { _ in (0..<size).map { _ in uniform() } }
        var rows: [Float] = []
        let examples = (0..<count).map { index -> FeatureSet.Example in
            let (own, length) = (index % classes, 2 + index % 3)
            let offset = (0..<size).map { _ in spread * uniform() }
            for _ in 0..<length {
                for place in 0..<size { rows.append(1 + centres[own][place] + offset[place] + 0.05 * uniform()) }
            }
            let label = wrong.contains(index) ? (own + 1) % classes : own
            return FeatureSet.Example(
                videoID: Int64(index + 1), path: "c\(label)/\(index).mp4", label: "c\(label)", split: "train",
                group: nil, length: length, firstRow: rows.count / size - length)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }
}

@Suite struct NearestNeighborsTests {
    @Test("vectors are centred, then normalised to length 1; neighbours equal those of brute force, most similar first")
    func neighbours() throws {
        let vectors = try ClipVectors(Planted.features(150))
        let size = vectors.size
        func cosine(_ a: Int, _ b: Int) -> Float {
            (0..<size).reduce(0) { $0 + vectors.rows[a * size + $1] * vectors.rows[b * size + $1] }
        }
        #expect((0..<150).allSatisfy { abs(cosine($0, $0) - 1) < 1e-5 })
        let nearest = NearestNeighbors.all(vectors, count: 7)
        for index in stride(from: 0, to: 150, by: 13) {
            let expected = (0..<150).filter { $0 != index }.map { cosine(index, $0) }.sorted(by: >).prefix(7)
            #expect(zip(nearest[index], expected).allSatisfy { abs($0.cosine - $1) < 1e-5 })
            #expect(nearest[index].count == 7 && !nearest[index].contains { $0.index == index })
        }
        let own = Array(vectors.rows[3 * size..<4 * size])
        #expect(NeighborSearch(vectors).nearest(to: own, count: 1)[0].index == 3)
    }
}

@Suite struct ClipMapTests {
    struct Golden: Decodable {
        let trustworthiness: [Double]
        let first: [Float]
    }

    static func points() -> FeatureSet {
        let (count, size, classes) = (400, 16, 8)
        var generator = SplitMix64(seed: 9)
        func uniform() -> Float { Float(generator.next() >> 40) * 0x1p-24 * 2 - 1 }
        let centres = (0..<classes).map { _ in (0..<size).map { _ in 2 * uniform() } }
        let lines = (0..<classes).map { _ in (0..<size).map { _ in uniform() } }
        var rows: [Float] = []
        for index in 0..<count {
            let (own, along) = (index % classes, 2 * uniform())
            for place in 0..<size { rows.append(centres[own][place] + along * lines[own][place] + 0.3 * uniform()) }
        }
        let examples = (0..<count).map {
            FeatureSet.Example(
                videoID: Int64($0), path: "\($0)", label: "a", split: "train", group: nil, length: 1, firstRow: $0)
        }
        return FeatureSet(examples: examples, featureSize: size, rows: rows)
    }

    /// Trustworthiness of the map (Venna and Kaski 2001), as scikit-learn's function computes it.
    static func trustworthiness(_ ranks: [[Int]], _ places: [(x: Float, y: Float)], neighbors k: Int) -> Double {
        let count = places.count
        var sum = 0
        for index in 0..<count {
            let near = (0..<count).filter { $0 != index }.sorted { one, two in
                func square(_ other: Int) -> Float {
                    let (dx, dy) = (places[index].x - places[other].x, places[index].y - places[other].y)
                    return dx * dx + dy * dy
                }
                return square(one) < square(two)
            }
            sum += near.prefix(k).reduce(0) { $0 + max(0, ranks[index][$1] - k) }
        }
        let largest = Double(count * k) * Double(2 * count - 3 * k - 1) / 2
        return 1 - Double(sum) / largest
    }

    @Test("the map preserves neighbourhoods as well as umap-learn's and is deterministic") func map() throws {
        let golden: Golden = fixture("map", in: .module)
        let vectors = try ClipVectors(Self.points())
        #expect(zip(vectors.rows, golden.first).allSatisfy { abs($0 - $1) < 1e-5 })
        let nearest = NearestNeighbors.all(vectors, count: 399)
        var ranks = Array(repeating: Array(repeating: 0, count: 400), count: 400)
        for (index, neighbors) in nearest.enumerated() {
            for (rank, neighbor) in neighbors.enumerated() { ranks[index][neighbor.index] = rank + 1 }
        }
        let map = ClipMap(vectors, nearest: nearest)
        let kept = Self.trustworthiness(ranks, map.places, neighbors: 10)
        #expect(kept >= (golden.trustworthiness.min() ?? 1) - 0.01, "\(kept) beside \(golden.trustworthiness)")
        let again = ClipMap(vectors, nearest: nearest)
        #expect(zip(map.places, again.places).allSatisfy { $0 == $1 })
    }

    @Test("a few clips are enough for a map", arguments: [1, 2, 3, 5]) func few(count: Int) throws {
        let vectors = try ClipVectors(Planted.features(count))
        let map = ClipMap(vectors, nearest: NearestNeighbors.all(vectors, count: 14))
        #expect(map.places.count == count && map.places.allSatisfy { $0.x.isFinite && $0.y.isFinite })
    }
}

@Suite struct SuspectedLabelErrorsTests {
    @Test("of 5 % wrong labels at least 80 % are found, with a precision of at least one half")
    func planted() throws {
        let wrong = Set((0..<300).filter { $0 % 20 == 7 })
        let features = Planted.features(300, spread: 0.8, wrong: wrong)
        let vectors = try ClipVectors(features)
        let nearest = NearestNeighbors.all(vectors, count: SuspectedLabelErrors.neighbors)
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true, epochs: 30, validation: 0)
        training.optimizer.weightDecay = 1e-2
        let validation = try CrossValidation(
            training, folds: 5, repeats: 1, features: features, input: .init(shape: [16], maximumLength: 4))
        let result = CrossValidationResult(try (0..<5).compactMap { try validation.fit($0) }, of: validation)
        let found = SuspectedLabelErrors.find(
            vectors, nearest: nearest,
            predictions: Dictionary(uniqueKeysWithValues: result.predictions.map { ($0.videoID, $0) }),
            labels: result.labels)
        let right = found.count { wrong.contains($0.index) }
        #expect(Double(right) >= 0.8 * Double(wrong.count), "\(right) of \(wrong.count)")
        #expect(Double(right) >= 0.5 * Double(found.count), "\(right) of \(found.count) listed")
        #expect(found.map(\.score) == found.map(\.score).sorted(by: >))
        let first = try #require(found.first)
        #expect(first.suggested == "c\(first.index % 4)")
    }
}

@Suite struct OutliersTests {
    @Test("outliers, black, still and one-frame clips are distinguished from the others") func planted() throws {
        let plain = Planted.features(80)
        var rows = plain.rows
        var examples = plain.examples
        func add(_ path: String, _ frames: [[Float]]) {
            examples.append(
                .init(
                    videoID: Int64(examples.count + 1), path: path, label: "c0", split: "train", group: nil,
                    length: frames.count, firstRow: rows.count / 16))
            rows += frames.flatMap { $0 }
        }
        add("far", [(0..<16).map { $0 % 2 == 0 ? 30 : -30 }, (0..<16).map { $0 % 2 == 0 ? 31 : -29 }])
        add("still", Array(repeating: (0..<16).map { Float($0) / 8 }, count: 3))
        add("single", [Array(rows[0..<16])])
        let features = FeatureSet(examples: examples, featureSize: 16, rows: rows)
        let vectors = try ClipVectors(features)
        let outliers = try Outliers.find(
            features, nearest: NearestNeighbors.all(vectors, count: 10), brightness: [4: 3, 5: 90])
        let reasons = Dictionary(grouping: outliers, by: { examples[$0.index].path }).mapValues {
            Set($0.map(\.reason))
        }
        #expect(reasons["far"]?.contains("far from all others") == true)
        #expect(reasons["still"]?.contains("no motion") == true)
        #expect(reasons["single"]?.contains("one frame") == true)
        #expect(reasons[examples[4].path] == ["black"] && reasons[examples[5].path] == nil)
        #expect(outliers.count <= 8)
    }
}

@Suite struct ClipVectorsTests {
    private static func features(_ rows: [Float]) -> FeatureSet {
        let examples = (0..<rows.count / 2).map { index in
            FeatureSet.Example(
                videoID: Int64(index), path: "clip\(index)", label: "run", split: "train", group: nil, length: 1,
                firstRow: index)
        }
        return FeatureSet(examples: examples, featureSize: 2, rows: rows)
    }

    @Test("a clip is represented by the direction of its features from the mean of all clips") func directions() throws
    {
        let vectors = try ClipVectors(Self.features([1, 0, 3, 0, 2, 3]))
        #expect(vectors.centre == [2, 1])
        #expect(abs(vectors.rows[0] + vectors.rows[2]) < 1e-6 && vectors.rows[5] == 1)
    }

    @Test(
        "features that are not finite, or so large that they overflow, are an error that names the clip",
        arguments: [Float.nan, .infinity, 3e38])
    func notFinite(value: Float) {
        #expect(throws: SequenceError.notFinite(video: "clip1")) {
            try ClipVectors(Self.features([1, 0, value, value, 2, 3]))
        }
    }
}

@Suite struct CacheSelectionTests {
    private func cache(recipes: [String], datasets: [String]) throws -> (CacheFile, ScratchFolder) {
        let scratch = ScratchFolder()
        let cache = try CacheFile(path: scratch.path + "/cache.sqlite")
        for (index, name) in recipes.enumerated() {
            let recipe = "{\"number\":\(index)}"
            _ = try cache.addExtraction(
                ExtractionRecord(
                    digest: hexDigest(Data(recipe.utf8)), name: name, backbone: "resnet\(18 + 16 * index)",
                    weights: "random",
                    weightsDigest: nil, tap: "pooled", imageSize: 32, maxFrames: 4, featureShape: [4], precision: "f32",
                    recipe: recipe, version: "test"))
        }
        for dataset in datasets {
            try cache.registerSamples([
                (
                    VideoRecord(digest: dataset, path: "a/\(dataset).mp4"),
                    SampleRecord(dataset: dataset, label: "a", split: "train", group: nil)
                )
            ])
        }
        return (cache, scratch)
    }

    @Test("a single recipe or data set need not be named; if there are several, the error lists their names")
    func selects() throws {
        let (one, first) = try cache(recipes: ["mine"], datasets: ["clips"])
        let selection = try CacheSelection(one, recipe: nil, dataset: nil)
        #expect(selection.extraction.record.name == "mine" && selection.dataset == "clips")
        let (several, second) = try cache(recipes: ["mine", "yours"], datasets: ["clips", "more"])
        let recipes = #expect(throws: ExplorationError.self) {
            try CacheSelection(several, recipe: nil, dataset: "clips")
        }
        #expect(recipes?.localizedDescription.contains("mine (resnet18)") == true)
        #expect(throws: ExplorationError.severalDatasets(["clips", "more"])) {
            try CacheSelection(several, recipe: "yours", dataset: nil)
        }
        #expect(try CacheSelection(several, recipe: "resnet34", dataset: "more").extraction.record.name == "yours")
        #expect(throws: ExplorationError.unknownRecipe("no", available: ["mine", "yours"])) {
            try CacheSelection(several, recipe: "no", dataset: "clips")
        }
        let (empty, third) = try cache(recipes: [], datasets: [])
        #expect(throws: ExplorationError.unknownRecipe("", available: [])) {
            try CacheSelection(empty, recipe: nil, dataset: nil)
        }
        withExtendedLifetime([first, second, third]) {}
    }

    @Test("an ambiguous recipe name is an error; a prefix of the digest selects one") func oneName() throws {
        let (cache, scratch) = try cache(recipes: ["mine", "mine", "mine"], datasets: ["clips"])
        let error = #expect(throws: ExplorationError.self) { try CacheSelection(cache, recipe: "mine", dataset: nil) }
        let stored = try cache.extractions()
        for recipe in stored {
            let digest = String(recipe.record.digest.prefix(12))
            #expect(error?.localizedDescription.contains(digest) == true)
            #expect(try CacheSelection(cache, recipe: digest, dataset: nil).extraction.id == recipe.id)
        }
        // Only one has features.
        try cache.store(
            SequenceRecord(frameIndices: [0], frameTimes: [0], decodeErrors: 0, features: [1, 2, 3, 4]),
            video: VideoRecord(digest: "clips", path: "a/clips.mp4"), extraction: stored[1].id, maxFrames: 4,
            featureSize: 4)
        #expect(try CacheSelection(cache, recipe: "mine", dataset: nil).extraction.id == stored[1].id)
        #expect(try CacheSelection(cache, recipe: nil, dataset: nil).extraction.id == stored[1].id)
        withExtendedLifetime(scratch) {}
    }
}

import Backbones
import Foundation
import GRDB
import Inference
import NeuralNetwork
import TestSupport
import Testing
import Video

@testable import Extraction
@testable import FeatureCache

@Suite struct WindowExtractionTests {
    private static let sampling = WindowSampling(length: 4, stride: 2, windows: 3)

    private func configuration(
        _ backbone: String = "r3d_18", _ sampling: Sampling = .windows(sampling)
    ) throws -> ExtractionConfiguration {
        ExtractionConfiguration(
            backbone: try #require(Backbone.named(backbone)), weights: .random, tap: "pooled", imageSize: 32,
            sampling: sampling)
    }

    private func extractor(
        _ dataset: TinyDataset, _ configurations: [ExtractionConfiguration], workers: Int = 2
    ) -> Extractor {
        var extractor = dataset.extractor(workers: workers)
        extractor.configurations = configurations
        return extractor
    }

    /// Clips of 3 to 6 frames, and a long one.
    private func dataset() throws -> TinyDataset {
        let dataset = try TinyDataset()
        try dataset.add("run/long.y4m", TinyClip.numbered(11, frames: 9))
        return dataset
    }

    @Test("rows are windows: their centres, ends and features")
    func windows() throws {
        let dataset = try dataset()
        let cache = try dataset.cache()
        let summary = try extractor(dataset, [configuration()]).run(into: cache) { _ in }
        #expect(summary.failed == 0 && summary.unit == "windows")
        let rows = try DatabaseQueue(path: cache.path).read {
            try Row.fetchAll($0, sql: "SELECT * FROM frame_feature WHERE path = 'run/long.y4m' ORDER BY position")
        }
        #expect(rows.map { $0["frame_index"] as Int } == [2, 4, 6])
        #expect(
            rows.map { $0["first_frame"] as Int } == [0, 2, 4] && rows.map { $0["last_frame"] as Int } == [3, 5, 7])
        #expect(rows.allSatisfy { $0["mask"] as Int == 1 })
        #expect(try cache.verify().isWhole)
        // The same windows, computed by hand.
        let recipe = try ExtractionRecipe(json: try #require(cache.extractions().first).record.recipe)
        let clip = try openClip(path: dataset.root + "/run/long.y4m")
        let frames = try clip.sample(.first(frames: 9), framing: .centerSquare(size: 32)).frames
        let plan = try InferencePlan(
            graph: recipe.graph(), output: "pooled", batch: 1, weights: PackedWeights(RandomParameters()))
        let ours = try cache.rowsByPath()["run/long.y4m"] ?? []
        for window in 0..<3 {
            let images = frames[2 * window..<2 * window + 4].map(\.pixels)
            let exact = try plan.run(images: images, normalization: recipe.input.normalization).values
            let own = Array(ours[window * 512..<(window + 1) * 512])
            let largest = exact.map(abs).max() ?? 0
            #expect(zip(own, exact).allSatisfy { abs($0 - $1) < 1e-4 * largest })
        }
    }

    @Test("features do not depend on how the work is divided, also if a clip is split into parts")
    func independentOfWorkers() throws {
        let dataset = try dataset()
        for name in ["jump/clip 0.y4m", "jump/clip 2.y4m", "run/clip 1.y4m", "run/clip 3.y4m"] {
            try FileManager.default.removeItem(atPath: dataset.root + "/" + name)
        }
        let (one, three) = (try dataset.cache("one"), try dataset.cache("three"))
        _ = try extractor(dataset, [configuration()], workers: 1).run(into: one) { _ in }
        _ = try extractor(dataset, [configuration()], workers: 3).run(into: three) { _ in }
        #expect(try one.rowsByPath() == three.rowsByPath())
        func ends(_ cache: CacheFile) throws -> [String] {
            try cache.read { try String.fetchAll($0, sql: "SELECT window_ends FROM sequence") }
        }
        #expect(try ends(one) == ["[[0,3],[2,5],[4,7]]"])
        #expect(try ends(three) == ["[[0,3],[2,5],[4,7]]"])
    }

    @Test("frames and windows of one clip are read in one decoding pass, with the same features as alone")
    func together() throws {
        let dataset = try dataset()
        let frames = try configuration("resnet18", .uniform(frames: 3))
        let (both, alone) = (try dataset.cache("both"), try dataset.cache("alone"))
        let summary = try extractor(dataset, [frames, configuration()]).run(into: both) { _ in }
        #expect(summary.unit == "frames")
        _ = try extractor(dataset, [configuration()]).run(into: alone) { _ in }
        let windows = try both.features(dataset: "clips", extraction: 2)
        #expect(windows.rows == (try alone.features(dataset: "clips", extraction: 1)).rows)
        #expect(try both.features(dataset: "clips", extraction: 1).examples.map(\.length) == [3, 3, 3, 3, 3])
    }

    @Test("a clip shorter than half a window is a failure with a reason; the others are extracted")
    func tooShort() throws {
        let dataset = try dataset()
        let sampling = Sampling.windows(WindowSampling(length: 12, stride: 4, framesPerSecond: 25, windows: 3))
        let cache = try dataset.cache()
        let summary = try extractor(dataset, [configuration("r3d_18", sampling)]).run(into: cache) { _ in }
        #expect(summary.extracted == 2 && summary.failed == 3)
        let errors = try cache.read { try String.fetchAll($0, sql: "SELECT error FROM failure ORDER BY path") }
        #expect(
            errors[0].contains("3 frames at 25 per second, a window takes 12")
                && errors[0].contains("`sampling.frames_per_second`"))
    }

    @Test("a video encoder requires windows and an image encoder rejects them, with errors that say what to write")
    func refusals() throws {
        func error(_ configuration: ExtractionConfiguration) -> RecipeError? {
            #expect(throws: RecipeError.self) {
                _ = try ExtractionRecipe(configuration, LoadedWeights(.random, for: nil))
            }
        }
        #expect(error(try configuration("r3d_18", .uniform(frames: 4))) == .seesWindows("r3d_18", length: 16))
        #expect(error(try configuration("resnet18")) == .seesOneFrame("resnet18"))
        #expect(error(try configuration("i3d_rgb")) == .shortWindow("i3d_rgb", length: 4, least: 9))
    }

    @Test("a recipe with windows is unchanged by storing and reading it") func coding() throws {
        for rate in [15.0, nil] {
            let sampling = WindowSampling(length: 8, stride: 3, framesPerSecond: rate, windows: 5)
            let recipe = try ExtractionRecipe(
                configuration("r3d_18", .windows(sampling)), LoadedWeights(.random, for: nil))
            #expect(try ExtractionRecipe(json: recipe.json) == recipe)
        }
    }

    // MARK: - differences

    @Test("a frame difference is grey where nothing moves, and the first frame repeats that of the second")
    func difference() {
        let images: [[UInt8]] = [[10, 200, 0], [10, 100, 255], [12, 100, 0]]
        #expect(FrameDifference.of(images) == [[128, 78, 255], [128, 78, 255], [129, 128, 0]])
        #expect(FrameDifference.of([[1, 2]]) == [[128, 128]] && FrameDifference.of([]).isEmpty)
    }

    @Test("differences of frames and of windows have separate recipes, whatever the number of workers")
    func differences() throws {
        let dataset = try dataset()
        var frames = try configuration("resnet18", .uniform(frames: 4))
        var windows = try configuration()
        let plain = try dataset.cache("plain")
        _ = try extractor(dataset, [frames]).run(into: plain) { _ in }
        (frames.showsDifference, windows.showsDifference) = (true, true)
        let (one, three) = (try dataset.cache("one"), try dataset.cache("three"))
        _ = try extractor(dataset, [frames, windows], workers: 1).run(into: one) { _ in }
        _ = try extractor(dataset, [frames, windows], workers: 3).run(into: three) { _ in }
        func rows(_ cache: CacheFile, _ extraction: Int64) throws -> [String: [Float]] {
            let set = try cache.features(dataset: "clips", extraction: extraction)
            return Dictionary(
                uniqueKeysWithValues: set.examples.map {
                    ($0.path, Array(set.rows[$0.firstRow * 512..<($0.firstRow + $0.length) * 512]))
                })
        }
        for extraction in [Int64(1), 2] {
            let own = try rows(one, extraction)
            #expect(try own == rows(three, extraction))
            #expect(try own != rows(plain, 1))
        }
        #expect(try frames.stored(in: plain.extractions()) == nil)
        #expect(try frames.stored(in: one.extractions())?.id == 1)
        // As a stream delivers them.
        let recipe = try ExtractionRecipe(frames, LoadedWeights(.random, for: nil))
        let stream = FrameStream(
            path: dataset.root + "/run/long.y4m", recipe: recipe, weights: PackedWeights(RandomParameters()), workers: 2
        )
        var streamed: [Float] = []
        try stream.run(recipe.sampling) { _, rows in streamed += rows }
        let features = try one.features(dataset: "clips", extraction: 1)
        let long = try #require(features.examples.first { $0.path == "run/long.y4m" })
        let own = Array(features.rows[long.firstRow * 512..<(long.firstRow + long.length) * 512])
        #expect(zip(streamed, own).allSatisfy { abs($0 - $1) < 1e-4 } && streamed.count == own.count)
    }

    // MARK: - features side by side

    private func sequence(_ times: [Double], _ features: [Float]) -> SequenceRecord {
        SequenceRecord(frameIndices: times.map { Int($0 * 25) }, frameTimes: times, decodeErrors: 0, features: features)
    }

    @Test(
        "the faster sequence is averaged around each time of the slower one, or its nearest row is used"
    )
    func joins() throws {
        struct Apart: Error {}
        let slow = sequence([0, 1, 2], [1, 2, 3])
        let fast = sequence([0, 0.4, 0.8, 1.2], [10, 20, 30, 50])
        let joined = try FeatureJoin.joined([slow, fast], sizes: [1, 1], slowest: 0) { Apart() }
        #expect(joined.features == [1, 15, 2, 40, 3, 50] && joined.frameTimes == [0, 1, 2])
        let turned = try FeatureJoin.joined([fast, slow], sizes: [1, 1], slowest: 1) { Apart() }
        #expect(turned.features == [15, 1, 40, 2, 50, 3])
        #expect(throws: Apart.self) {
            try FeatureJoin.joined([slow, sequence([9, 10], [1, 1])], sizes: [1, 1], slowest: 0) { Apart() }
        }
    }

    @Test("rows long after the last time of the slower sequence are ignored, and float16 features are rounded")
    func leavesFarRowsOut() throws {
        struct Apart: Error {}
        let slow = sequence([0, 1], [1, 2])
        let fast = sequence([0, 1, 1.5, 2.5, 9], [10, 20, 30, 40, 50])
        let joined = try FeatureJoin.joined([slow, fast], sizes: [1, 1], slowest: 0) { Apart() }
        #expect(joined.features == [1, 10, 2, 25])
        let thirds = sequence([0, 1], [1.0 / 3, 2.0 / 3])
        let halves = try FeatureJoin.joined([slow, thirds], sizes: [1, 1], slowest: 0, as: .float16) { Apart() }
        #expect(halves.features == [1, 0.33325195, 2, 0.6665039])
    }

    @Test("joined features are a recipe of the cache, computed once, and completed when clips are added")
    func joinedRecipe() throws {
        let dataset = try dataset()
        let configurations = [try configuration("resnet18", .uniform(frames: 6)), try configuration()]
        let cache = try dataset.cache()
        _ = try extractor(dataset, configurations).run(into: cache) { _ in }
        func join() throws -> StoredExtraction {
            let stored = try cache.extractions()
            return try FeatureJoin(configurations.compactMap { $0.stored(in: stored) }, in: cache)
                .run(name: "tiny", version: "test")
        }
        let joined = try join()
        #expect(joined.record.featureShape == [1024] && joined.record.maxFrames == 3)
        #expect(joined.record.backbone == "resnet18+r3d_18" && joined.record.weights == "random + random")
        let features = try cache.features(dataset: "clips", extraction: joined.id)
        let windows = try cache.features(dataset: "clips", extraction: 2)
        #expect(features.examples.map(\.length) == windows.examples.map(\.length))
        for row in 0..<windows.rows.count / 512 {
            #expect(
                features.rows[row * 1024 + 512..<(row + 1) * 1024].elementsEqual(
                    windows.rows[row * 512..<(row + 1) * 512]))
        }
        try dataset.add("run/new.y4m", TinyClip.numbered(13, frames: 7))
        _ = try extractor(dataset, configurations).run(into: cache) { _ in }
        #expect(try join().id == joined.id)
        #expect(try cache.features(dataset: "clips", extraction: joined.id).examples.count == 6)
        #expect(try cache.verify().isWhole)
        #expect(throws: RecipeError.severalNetworks("resnet18+r3d_18")) {
            try ExtractionRecipe(json: joined.record.recipe).graph()
        }
    }
}

import Backbones
import FeatureCache
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing
import Video
@testable import Extraction

@Suite struct PrecisionExtractionTests {
    static func extractor(_ dataset: TinyDataset, _ precision: Precision) -> Extractor {
        var extractor = dataset.extractor()
        extractor.configurations[0].precision = precision
        return extractor
    }

    @Test(
        "int8 has a separate recipe whose activation ranges do not change when clips are added",
        .enabled(if: Precision.int8.isNative, "needs int8 instructions"))
    func int8() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        _ = try Self.extractor(dataset, .f32).run(into: cache) { _ in }
        _ = try Self.extractor(dataset, .int8).run(into: cache) { _ in }
        try dataset.add("run/late.y4m", TinyClip.numbered(40, frames: 6))
        let summary = try Self.extractor(dataset, .int8).run(into: cache) { _ in }
        #expect(summary.extracted == 1 && summary.skipped == 4)
        let stored = try cache.extractions().sorted { $0.id < $1.id }
        #expect(stored.map(\.record.precision) == ["f32", "int8"])
        let recipe = try ExtractionRecipe(json: stored[1].record.recipe)
        #expect(recipe.calibration?.ranges.count ?? 0 > 20)
        #expect(recipe.digest == stored[1].record.digest)

        var wanted = dataset.configuration
        #expect(wanted.stored(in: stored)?.record.precision == "f32")
        wanted.precision = .int8
        #expect(wanted.stored(in: stored)?.record.precision == "int8")
        // No features in bf16: those in f32 are used.
        wanted.precision = .bf16
        #expect(wanted.stored(in: stored)?.record.precision == "f32")

        let sets = try stored.map { try cache.features(dataset: "clips", extraction: $0.id) }
        let rows = sets[0].rows.count / 512
        let tensors = sets.map { Tensor(shape: [rows, 512], values: Array($0.rows[..<(rows * 512)])) }
        // The late clip is last, and has features in int8 only.
        #expect(FeatureAgreement.cosines(tensors[0], tensors[1]).min()! > 0.99)
        #expect(tensors[0].values != tensors[1].values)
    }

    @Test(
        "an unsupported precision gives a message and falls back to f32",
        .enabled(if: !Precision.bf16.isNative, "needs a processor without bf16"))
    func fallback() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        var notes: [String] = []
        _ = try Self.extractor(dataset, .bf16).run(into: cache) { if case .note(let text) = $0 { notes.append(text) } }
        #expect(notes.contains { $0.contains("no instructions for bf16") && $0.contains("f32") })
        #expect(try cache.extractions().map(\.record.precision) == ["f32"])
        #expect(try Self.extractor(dataset, .f32).run(into: cache) { _ in }.skipped == 4)
    }

    @Test(
        "a data set of broken clips cannot be calibrated, and the error says why",
        .enabled(if: Precision.int8.isNative, "needs int8 instructions"))
    func nothingToCalibrateOn() throws {
        let dataset = try TinyDataset(clips: 0)
        try dataset.add("jump/a.mp4", Data("no video".utf8))
        try dataset.add("run/b.mp4", Data("none either".utf8))
        let cache = try dataset.cache()
        #expect(throws: (any Error).self) { try Self.extractor(dataset, .int8).run(into: cache) { _ in } }
        #expect(try cache.extractions().isEmpty)
    }

    @Test("fewer videos than workers are divided among them, with the features of one worker", arguments: [2, 3, 7])
    func sharedVideo(workers: Int) throws {
        let dataset = try TinyDataset(clips: 0)
        try dataset.add("jump/long.y4m", TinyClip.numbered(3, frames: 12))
        try dataset.add("run/short.y4m", TinyClip.numbered(5, frames: 2))
        try dataset.add("run/broken.y4m", Data("YUV4MPEG2 nothing".utf8))
        let (alone, shared) = (try dataset.cache("alone"), try dataset.cache("shared"))
        let first = try dataset.extractor(workers: 1).run(into: alone) { _ in }
        let second = try dataset.extractor(workers: workers).run(into: shared) { _ in }
        #expect(first.frames == 7 && first.failed == 1 && first.extracted == 2)
        #expect(second.frames == 7 && second.failed == 1 && second.extracted == 2)
        #expect(try alone.rowsByPath() == shared.rowsByPath())
        let indices = try [alone, shared].map {
            try $0.features(dataset: "clips", extraction: 1).examples.map(\.length)
        }
        #expect(indices[0] == indices[1])
    }

    @Test(
        "large images get a small batch, small images one of up to 16",
        arguments: [(224, 10), (600, 2), (64, 10), (1500, 2)])
    func batch(imageSize: Int, expected: Int) throws {
        let dataset = try TinyDataset(clips: 0)
        var configuration = dataset.configuration
        (configuration.imageSize, configuration.sampling) = (imageSize, .uniform(frames: 20))
        let recipe = ExtractionRecipe(configuration, weights: "random", numerics: .torchvision, input: .imageNet)
        #expect(recipe.batch == expected)
    }
}

@Suite struct AspectExtractionTests {
    private func notes(_ dataset: TinyDataset, _ aspect: Aspect, into cache: CacheFile) throws -> [String] {
        var extractor = dataset.extractor()
        extractor.configurations[0].aspect = aspect
        var notes: [String] = []
        _ = try extractor.run(into: cache) { if case .note(let note) = $0 { notes.append(note) } }
        return notes
    }

    private func anamorphic(_ index: Int) -> Data {
        var data = TinyClip.numbered(index)
        data.replaceSubrange(
            0..<40, with: Data(String(decoding: data.prefix(40), as: UTF8.self).replacing("A1:1", with: "A2:1").utf8))
        return data
    }

    @Test("recipes without the key `aspect` keep their digest; `display` gives a different one")
    func recipe() throws {
        let dataset = try TinyDataset(clips: 2)
        var configuration = dataset.configuration
        let weights = try LoadedWeights(configuration.weights, for: configuration.backbone)
        let stored = try ExtractionRecipe(configuration, weights)
        #expect(!stored.json.contains("aspect"))
        configuration.aspect = .display
        let display = try ExtractionRecipe(configuration, weights)
        #expect(display.json.contains(#""aspect":"display""#) && display.digest != stored.digest)
        #expect(try ExtractionRecipe(json: display.json) == display)
        #expect(
            display.request(digest: "").aspect == .display && display.request(digest: "", view: 3).aspect == .display)
        #expect(stored.request(digest: "").aspect == .stored)
    }

    @Test("clips with square pixels have the same features in both modes, others do not, and `stored` gives a warning")
    func features() throws {
        let dataset = try TinyDataset(clips: 2)
        let caches = try ["stored", "display"].map(dataset.cache)
        #expect(try notes(dataset, .stored, into: caches[0]).filter { $0.contains("non-square") }.isEmpty)
        _ = try notes(dataset, .display, into: caches[1])
        #expect(try caches[0].rowsByPath() == caches[1].rowsByPath())
        try dataset.add("jump/wide.y4m", anamorphic(9))
        try dataset.add("run/wide.y4m", anamorphic(10))
        let note = try #require(try notes(dataset, .stored, into: caches[0]).first { $0.contains("non-square") })
        #expect(note.hasPrefix("2 clips have non-square pixels, such as ") && note.contains("2 times as wide as high"))
        #expect(try notes(dataset, .display, into: caches[1]).filter { $0.contains("non-square") }.isEmpty)
        let rows = try caches.map { try $0.rowsByPath() }
        #expect(rows[0]["jump/wide.y4m"] != rows[1]["jump/wide.y4m"])
    }
}

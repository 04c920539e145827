import Backbones
import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import Synchronization
import TestSupport
import Testing
import Video
@testable import Extraction

@Suite struct ExtractorTests {
    @Test("every clip gets a sequence with the right length, indices, times and labels") func extracts() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        let summary = try dataset.extractor().run(into: cache) { _ in }
        #expect(summary.extracted == 4 && summary.failed == 0 && summary.skipped == 0)
        let features = try cache.features(dataset: "clips", extraction: 1)
        #expect(features.featureSize == 512)
        #expect(
            features.examples.map(\.path) == ["jump/clip 0.y4m", "jump/clip 2.y4m", "run/clip 1.y4m", "run/clip 3.y4m"])
        #expect(features.examples.map(\.label) == ["jump", "jump", "run", "run"])
        // Clips of 3, 5, 4 and 6 frames, at most 5 of which are sampled.
        #expect(features.examples.map(\.length) == [3, 5, 4, 5])
        #expect(features.rows.allSatisfy { $0.isFinite })
        #expect(summary.frames == 17)
    }

    @Test("features depend neither on the number of workers nor on the other videos")
    func independentOfWorkers() throws {
        let dataset = try TinyDataset()
        let (one, three) = (try dataset.cache("one"), try dataset.cache("three"))
        _ = try dataset.extractor(workers: 1).run(into: one) { _ in }
        _ = try dataset.extractor(workers: 3).run(into: three) { _ in }
        let (first, second) = (try one.rowsByPath(), try three.rowsByPath())
        #expect(first.count == 4)
        #expect(first == second)
    }

    @Test("a second run extracts nothing, renamed clips are recognised, and only new clips are processed")
    func resumes() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        _ = try dataset.extractor().run(into: cache) { _ in }
        let again = try dataset.extractor().run(into: cache) { _ in }
        #expect(again.extracted == 0 && again.skipped == 4)
        try FileManager.default.moveItem(atPath: dataset.root + "/run", toPath: dataset.root + "/sprint")
        try dataset.add("sprint/new.y4m", TinyClip.numbered(9, frames: 4))
        let renamed = try dataset.extractor().run(into: cache) { _ in }
        #expect(renamed.extracted == 1 && renamed.skipped == 4)
        let labels = Set(try cache.features(dataset: "clips", extraction: 1).examples.map(\.label))
        #expect(labels == ["jump", "sprint"])
    }

    @Test(
        "several backbones share one decoding pass; features are as alone, and only missing ones are extracted"
    )
    func severalBackbones() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        var small = dataset.configuration
        small.backbone = try #require(Backbone.named("small_cnn"))
        small.imageSize = 48
        var sharp = dataset.configuration
        sharp.resize = .bilinear
        var extractor = dataset.extractor()
        _ = try extractor.run(into: cache) { _ in }
        extractor.configurations = [dataset.configuration, small, sharp]
        try dataset.add("run/new.y4m", TinyClip.numbered(7, frames: 4))
        let summary = try extractor.run(into: cache) { _ in }
        #expect(summary.extracted == 5 && summary.skipped == 0 && summary.frames == 2 * 21 + 4)
        let together = try (1...3).map { try cache.features(dataset: "clips", extraction: $0).rows }
        #expect(together.map(\.count) == [21 * 512, 21 * 512, 21 * 512])
        #expect(together[0] != together[2])
        #expect(try cache.extractions().map(\.record.name) == ["tiny-resnet18", "tiny-small_cnn", "tiny"])
        for (place, configuration) in extractor.configurations.enumerated() {
            let alone = try dataset.cache("alone \(place)")
            var extractor = dataset.extractor()
            extractor.configurations = [configuration]
            _ = try extractor.run(into: alone) { _ in }
            #expect(try alone.features(dataset: "clips", extraction: 1).rows == together[place])
        }
        #expect(try extractor.run(into: cache) { _ in }.skipped == 5)
    }

    @Test("more augmented views are added to the existing ones, are reproducible, and differ from the original view")
    func views() throws {
        let dataset = try TinyDataset()
        let cache = try dataset.cache()
        var extractor = dataset.extractor()
        _ = try extractor.run(into: cache) { _ in }
        let plain = try cache.features(dataset: "clips", extraction: 1, views: 3)
        #expect(plain.examples.allSatisfy { $0.views.count == 1 })
        extractor.configurations[0].views = 3
        #expect(try extractor.run(into: cache) { _ in }.extracted == 4)
        #expect(try cache.extractions().count == 1)
        let all = try cache.features(dataset: "clips", extraction: 1, views: 3)
        #expect(all.examples.allSatisfy { $0.views.map(\.view) == [0, 1, 2] })
        #expect(try cache.features(dataset: "clips", extraction: 1).rows == plain.rows)
        func rows(_ features: FeatureSet, _ example: Int, _ view: Int) throws -> [Float] {
            let span = features.examples[example].views[view]
            return Array(features.rows[span.firstRow * 512..<(span.firstRow + span.length) * 512])
        }
        for example in 0..<4 {
            #expect(try rows(all, example, 0) == rows(plain, example, 0))
            #expect(try rows(all, example, 1) != rows(all, example, 0))
        }
        let again = try dataset.cache("again")
        _ = try extractor.run(into: again) { _ in }
        #expect(try again.features(dataset: "clips", extraction: 1, views: 3).rows == all.rows)
        #expect(try extractor.run(into: cache) { _ in }.skipped == 4)
    }

    @Test("weights with implausible values are rejected with an error that names the tensor, and nothing is stored")
    func implausibleWeights() throws {
        let dataset = try TinyDataset()
        let graph = try #require(Backbone.named("small_cnn")).graph(imageSize: 48)
        var tensors = Dictionary(
            uniqueKeysWithValues: graph.parameters.map { ($0.name, RandomParameters().tensor(for: $0)) })
        func extract(_ name: String) throws -> Int {
            let path = dataset.path + "/\(name).safetensors"
            try SafeTensorsWriter.write(tensors, to: path)
            var extractor = dataset.extractor()
            extractor.configurations[0].backbone = try #require(Backbone.named("small_cnn"))
            extractor.configurations[0].weights = .file(path)
            return try extractor.run(into: try dataset.cache(name)) { _ in }.extracted
        }
        #expect(try extract("sound") == 4)
        let name = try #require(graph.parameters.first { $0.shape.count == 4 }).name
        for (value, words) in [(Float.nan, "NaN or infinity"), (-.infinity, "NaN or infinity"), (8e36, "up to 8e+36")] {
            tensors[name]?.values[3] = value
            let file = "broken\(value)"
            let text = refusal { _ = try extract(file) }
            #expect(text.contains("\(name) holds") && text.contains(words), "\(text)")
            let counts = try dataset.cache(file).extractedViews(extraction: 1)
            #expect(counts.isEmpty)
        }
    }

    @Test("another recipe is stored beside the first; settings that do not change features do not create one")
    func recipes() throws {
        let dataset = try TinyDataset(clips: 2)
        let cache = try dataset.cache()
        var extractor = dataset.extractor()
        _ = try extractor.run(into: cache) { _ in }
        extractor.name = "another name"
        #expect(try extractor.run(into: cache) { _ in }.skipped == 2)
        extractor.configurations[0].sampling = .first(frames: 2)
        #expect(try extractor.run(into: cache) { _ in }.extracted == 2)
        #expect(try cache.extractions().map(\.record.maxFrames) == [2, 5])
        #expect(dataset.configuration.stored(in: try cache.extractions())?.id == 1)
        #expect(extractor.configurations[0].stored(in: try cache.extractions())?.id == 2)
        extractor.configurations[0].tap = "spatial"
        #expect(extractor.configurations[0].stored(in: try cache.extractions()) == nil)
    }

    @Test(
        "broken clips become failures, which are retried on request or if the file changed; others are extracted"
    )
    func failures() throws {
        let dataset = try TinyDataset()
        try dataset.add("run/empty.mp4", Data())
        try dataset.add("run/text.avi", Data(String(repeating: "no video ", count: 200).utf8))
        try dataset.add("jump/it's \"odd\".y4m", TinyClip.numbered(20, frames: 1))
        let cache = try dataset.cache()
        var failed: [String] = []
        let summary = try dataset.extractor().run(into: cache) { event in
            if case .failed(let path, _) = event { failed.append(path) }
        }
        #expect(summary.extracted == 5 && summary.failed == 2)
        #expect(failed.sorted() == ["run/empty.mp4", "run/text.avi"])
        #expect(try cache.failures(extraction: 1).keys.sorted() == ["run/empty.mp4", "run/text.avi"])

        var leftOut: [String] = []
        let again = try dataset.extractor().run(into: cache) { event in
            if case .note(let text) = event { leftOut.append(text) }
        }
        #expect(again.extracted == 0 && again.failed == 2 && again.skipped == 5)
        #expect(leftOut.count == 2 && leftOut.allSatisfy { $0.contains("failed before and is left out") })
        // The empty file is replaced by a complete one.
        try dataset.add("run/empty.mp4", TinyClip.numbered(21, frames: 3))
        try FileManager.default.setAttributes(
            [.modificationDate: Date.now.addingTimeInterval(60)], ofItemAtPath: dataset.root + "/run/empty.mp4")
        let mended = try dataset.extractor().run(into: cache) { _ in }
        #expect(mended.extracted == 1 && mended.failed == 1)
        var retrying = dataset.extractor()
        retrying.retriesFailed = true
        let retried = try retrying.run(into: cache) { _ in }
        #expect(retried.failed == 1 && retried.skipped == 6)
    }

    @Test("files with equal content are used once, with a note") func duplicates() throws {
        let dataset = try TinyDataset(clips: 2)
        try dataset.add("run/copy.y4m", TinyClip.numbered(0, frames: 3))
        var notes: [String] = []
        let summary = try dataset.extractor().run(into: try dataset.cache()) { event in
            if case .note(let text) = event { notes.append(text) }
        }
        #expect(summary.extracted == 2)
        #expect(notes.count == 1)
        #expect(notes.first?.contains("run/copy.y4m has the same content as jump/clip 0.y4m") == true)
    }

    @Test("with several labels a clip, files with equal content are one clip with the labels of all") func labels()
        throws
    {
        let scratch = ScratchFolder()
        for (name, number) in [("jump/a.y4m", 0), ("run/b.y4m", 0), ("run/c.y4m", 1), ("none/d.y4m", 2)] {
            try scratch.file("clips/" + name, TinyClip.numbered(number, frames: 3))
        }
        let dataset = DatasetConfiguration(
            layout: .folders, root: scratch.path + "/clips", task: .multilabel, negatives: "none")
        let tiny = try TinyDataset(clips: 0)
        let cache = try tiny.cache()
        var extractor = Extractor(
            name: "tiny", dataset: dataset, configurations: [tiny.configuration], workers: 1, version: "test")
        extractor.tuning = nil
        var notes: [String] = []
        let summary = try extractor.run(into: cache) { event in if case .note(let text) = event { notes.append(text) } }
        #expect(summary.extracted == 3)
        #expect(notes.contains { $0.hasPrefix("1 file is a copy of another; a clip has the labels") }, "\(notes)")
        let samples = try cache.placedSamples(dataset: "clips").map { "\($0.path) \($0.sample.label)" }
        #expect(samples.sorted() == ["jump/a.y4m [\"jump\",\"run\"]", "none/d.y4m []", "run/c.y4m [\"run\"]"])
    }

    @Test("a cancelled extraction keeps finished clips and resumes from there") func cancels() throws {
        // More clips than one transaction stores.
        let dataset = try TinyDataset(clips: 60)
        let cache = try dataset.cache()
        let box = StopBox()
        let summary = try dataset.extractor(workers: 1).run(into: cache, isCancelled: { box.isStopped }) { event in
            if case .extracted(let done, _, _, _) = event, done >= 3 { box.stop() }
        }
        #expect(summary.wasCancelled)
        #expect((3..<60).contains(summary.extracted))
        let rest = try dataset.extractor().run(into: cache) { _ in }
        #expect(rest.skipped == summary.extracted && rest.extracted == 60 - summary.extracted)
        let whole = try dataset.cache("whole")
        _ = try dataset.extractor().run(into: whole) { _ in }
        #expect(try cache.rowsByPath() == whole.rowsByPath())
    }

    @Test(
        "weights from a file give the same features as the same random weights in memory, and are identified by digest")
    func weightFile() throws {
        let dataset = try TinyDataset(clips: 2)
        let backbone = try #require(Backbone.named("resnet18"))
        let path = dataset.path + "/resnet18.safetensors"
        let tensors = backbone.graph(imageSize: 32).parameters.map { ($0.name, RandomParameters().tensor(for: $0)) }
        try SafeTensorsWriter.write(Dictionary(uniqueKeysWithValues: tensors), to: path)
        let (random, file) = (try dataset.cache("random"), try dataset.cache("file"))
        _ = try dataset.extractor().run(into: random) { _ in }
        var extractor = dataset.extractor()
        extractor.configurations[0].weights = .file(path)
        _ = try extractor.run(into: file) { _ in }
        #expect(try random.rowsByPath() == file.rowsByPath())
        let record = try #require(try file.extractions().first).record
        #expect(record.weightsDigest == (try FileDigest.sha256(path: path)))
        #expect(try random.extractions().first?.record.weightsDigest == nil)

        // Weights of another backbone are rejected before anything is stored.
        extractor.configurations[0].backbone = try #require(Backbone.named("resnet34"))
        let error = #expect(throws: WeightsError.self) { try extractor.run(into: file) { _ in } }
        #expect(error?.localizedDescription.contains("layer1.2.conv1.weight") == true)
        #expect(error?.localizedDescription.contains("This looks like resnet18.") == true)
        #expect(try file.extractions().count == 1)
        // The weight file may be missing if only the stored recipe is looked up.
        try FileManager.default.removeItem(atPath: path)
        extractor.configurations[0].backbone = backbone
        #expect(extractor.configurations[0].stored(in: try file.extractions())?.id == 1)
    }

    @Test("a recipe is unchanged by encoding to JSON and decoding") func recipeJSON() throws {
        var configuration = try TinyDataset(clips: 0).configuration
        for sampling in [
            Sampling.first(frames: 3), .uniform(frames: 20), .rate(framesPerSecond: 2.5, frames: 8),
            .stride(every: 10, start: .random, frames: 5), .stride(every: 2, start: .at(7), frames: 5),
        ] {
            configuration.sampling = sampling
            let recipe = ExtractionRecipe(configuration, weights: "random", numerics: .torchvision, input: .imageNet)
            #expect(try ExtractionRecipe(json: recipe.json) == recipe)
            #expect(recipe.digest.count == 64)
        }
    }
}

private final class StopBox: Sendable {
    private let flag = Atomic<Bool>(false)
    var isStopped: Bool { flag.load(ordering: .relaxed) }
    func stop() { flag.store(true, ordering: .relaxed) }
}

import Backbones
import Datasets
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import TestSupport
import Testing
import Training
import Video
@testable import Exploration
@testable import Extraction
@testable import FineTuning
@testable import Language
@testable import PipelineFile
@testable import Workflows

/// One function defines preprocessing: every code path gives the features that `extract` stores.
@Suite struct PreprocessingTests {
    /// A clip that is larger than the input size, with fine detail, extracted by a pipeline.
    struct Place {
        let scratch: ScratchFolder
        let configuration: ExtractionConfiguration
        let cache: CacheFile
        let extraction: StoredExtraction
        let recipe: ExtractionRecipe
        let dataset: DatasetConfiguration
        var video: String { scratch.path + "/clips/a/0.y4m" }

        /// - `keys`: further keys of `extract`.
        init(_ backbone: String, tap: String = "pooled", size: Int? = 64, keys: String = "") throws {
            scratch = ScratchFolder()
            for index in 0..<2 {
                let clip = TinyClip.y4m(width: 150, height: 110, frames: 4) { pixel, frame in
                    UInt8(truncatingIfNeeded: (pixel &* 7919 &+ pixel / 150 &* 31 &+ frame * 977 &+ index) % 199 + 20)
                }
                try scratch.file("clips/\(["a", "b"][index])/0.y4m", clip)
            }
            let text = """
                dataset: {root: \(scratch.path)/clips}
                extract: {backbone: \(backbone), weights: random, \(size.map { "image_size: \($0), " } ?? "")\
                sampling: {policy: uniform, frames: 3}\(keys)}
                """
            let pipeline = try Pipeline(text: text, file: "p.yaml")
            var configuration = pipeline.extractions[0]
            configuration.tap = tap
            var extractor = Extractor(
                name: "x", dataset: pipeline.dataset, configurations: [configuration], workers: 1, version: "")
            // So that results do not depend on the auto-tuned kernels, down to the last bit.
            extractor.tuning = nil
            cache = try CacheFile(path: scratch.path + "/features.sqlite")
            _ = try extractor.run(into: cache) { _ in }
            extraction = try #require(configuration.stored(in: cache.extractions()))
            recipe = try ExtractionRecipe(json: extraction.record.recipe)
            (self.configuration, dataset) = (configuration, pipeline.dataset)
        }

        /// Features of `video`, `[frame, feature]`.
        func rows() throws -> [Float] {
            let features = try features()
            let index = try #require(features.examples.firstIndex { $0.path == "a/0.y4m" })
            let sequence = try cache.sequence(extraction: extraction.id, video: features.examples[index].videoID)
            return try #require(sequence).rows
        }

        func features() throws -> FeatureSet {
            try SequenceRun.load(cache, dataset: dataset.name, extraction: extraction, views: 1, memory: .max)
        }

        /// An untrained head for the features.
        func run() throws -> (RunDirectory, Head) {
            let input = HeadConfiguration.Input(shape: extraction.record.featureShape, maximumLength: 3)
            let head = try Head(
                HeadConfiguration(kind: .average), labels: ["a", "b"], input: input, standardization: nil,
                from: RandomParameters())
            return (try RunDirectory(path: scratch.path + "/run", saving: head, input, recipe), head)
        }
    }

    static let settings = [
        ("efficientnet_lite0", "", ResizeFilter.bicubic), ("vit_tiny_16", "", .bicubic), ("resnet18", "", .antialias),
        ("resnet18", ", resize: bicubic, input: symmetric", .bicubic), ("vit_tiny_16", ", resize: bilinear", .bilinear),
    ]

    @Test("predict, similar, search, cam, windows and finetune use the same pixels as extract", arguments: settings)
    func everyPath(backbone: String, keys: String, filter: ResizeFilter) throws {
        let place = try Place(backbone, keys: keys)
        let rows = try place.rows()
        #expect(place.recipe.resize == filter && place.configuration.framing == place.recipe.preprocessing.framing)
        // Pixels that fine-tuning stores.
        let pixels = try openClip(path: place.video).sample([place.recipe.request(digest: "")])[0].frames.map(\.pixels)
        let tuning = FineTuningConfiguration(
            extraction: place.configuration, training: TrainingConfiguration(model: .init(kind: .average)))
        let frames = try FrameSet(
            place.dataset, tuning, store: FrameStore(path: place.scratch.path + "/frames.sqlite"), workers: 1
        ) { _ in }
        let entry = try #require(frames.entries.first { $0.clip.path == "a/0.y4m" })
        #expect(try frames.store.frames(key: entry.key) == pixels)
        // Features of streamed frames, of a query video, and of a video to compare with.
        var streamed: [Float] = []
        try FrameStream(
            path: place.video, recipe: place.recipe, weights: LoadedWeights(.random, for: nil).packed, workers: 1
        ).run(place.recipe.sampling) { streamed += $1 }
        // Streams use auto-tuned kernels, which round differently.
        let largest = rows.reduce(0) { max($0, abs($1)) }
        try #require(streamed.count == rows.count)
        #expect(zip(streamed, rows).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
        let size = rows.count / 3
        let directions = (0..<3).map { TextEncoder.normalized(Array(rows[$0 * size..<($0 + 1) * size])) }
        #expect(
            try ImageEncoder(place.extraction.record, weights: nil).encode(place.video)
                == SearchQuery(wanted: directions).wanted)
        let vectors = try ClipVectors(place.features())
        let index = try #require(vectors.examples.firstIndex { $0.path == "a/0.y4m" })
        let similar = try SimilarClips(
            place.cache, dataset: place.dataset.name, extraction: place.extraction, weights: nil, memory: .max)
        #expect(
            try similar.query(place.video) == Array(vectors.rows[index * vectors.size..<(index + 1) * vectors.size]))
        // The head's output for them.
        let (run, head) = try place.run()
        let expected = try head.probabilities(of: rows)
        let predicted = try Predictor(run).predict(place.video)
        #expect(head.labels.map { label in predicted.classes.first { $0.label == label }?.probability } == expected)
        let map = try ClassActivationMapper(run).map(place.video, label: "a")
        #expect(abs(map.probability - expected[0]) < 1e-6)
    }

    @Test("classify computes logits that are bit-identical to those that extract would store", arguments: settings)
    func classify(backbone: String, keys: String, filter: ResizeFilter) throws {
        let place = try Place(backbone, tap: "logits", size: nil, keys: keys)
        let probabilities = softmax(Tensor(shape: [3, 1000], values: try place.rows())).values
        var options = Classifier.Options()
        (options.input, options.resize) = (place.configuration.input, place.configuration.wantedResize)
        let classifier = try Classifier(
            place.configuration.backbone, weights: "random", sampling: .uniform(frames: 3),
            labels: (0..<1000).map(String.init), options: options)
        let result = try classifier.classify(place.video, top: 1000)
        for (frame, moment) in result.moments.enumerated() {
            for entry in moment.classes {
                let place = frame * 1000 + (Int(entry.label) ?? 0)
                #expect(entry.probability == Double(probabilities[place]))
            }
        }
    }
}

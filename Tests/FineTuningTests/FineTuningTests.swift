import Backbones
import Datasets
import Extraction
import FeatureCache
import Foundation
import NeuralNetwork
import SequenceModels
import TestSupport
import Testing
import Training
@testable import FineTuning

/// Tiny clips of two labels that differ in brightness.
final class Clips {
    let scratch: ScratchFolder
    var path: String { scratch.path }
    let dataset: DatasetConfiguration
    let cache: CacheFile

    init(clips: Int = 16, frames: Int = 6) throws {
        scratch = ScratchFolder()
        for index in 0..<clips {
            let (label, split) = (
                ["dark", "light"][index % 2], index % 4 < 2 ? "train" : index % 8 < 4 ? "validation" : "test"
            )
            let level = index % 2 == 0 ? 50 : 190
            let clip = TinyClip.y4m(width: 40, height: 36, frames: frames + index % 2) { pixel, frame in
                UInt8(level + (pixel * 7 + frame * 13 + index * 2) % 40)
            }
            try scratch.file("clips/\(split)/\(label)/\(index).y4m", clip)
        }
        dataset = DatasetConfiguration(layout: .folders, root: scratch.path + "/clips")
        cache = try CacheFile(path: scratch.path + "/cache.sqlite")
    }

    static func configuration(_ kind: HeadConfiguration.Kind = .lstm, epochs: Int = 3) -> FineTuningConfiguration {
        let extraction = ExtractionConfiguration(
            backbone: Backbone.named("small_cnn")!, weights: .random, tap: kind.readsMaps ? "spatial" : "pooled",
            imageSize: 32, sampling: .uniform(frames: 3))
        var training = TrainingConfiguration(model: HeadConfiguration(kind: kind, hidden: [6]), epochs: epochs)
        training.optimizer.learningRate = 2e-3
        (training.batchSize, training.checkpoint, training.seed) = (3, 1, 3)
        return FineTuningConfiguration(extraction: extraction, training: training)
    }

    func frames(_ configuration: FineTuningConfiguration) throws -> FrameSet {
        try FrameSet(
            dataset, configuration, store: FrameStore(path: path + "/frames.sqlite"), workers: 2, report: { _ in })
    }

    func run(_ name: String, _ configuration: FineTuningConfiguration) -> FineTuningRun {
        FineTuningRun(name: name, dataset: dataset, configuration: configuration, runs: path + "/runs", version: "test")
    }
}

@Suite struct FineTuningTests {
    @Test("a backbone is trained with its head, and features extracted with it give the same predictions")
    func wholePath() throws {
        let clips = try Clips()
        let configuration = Clips.configuration(epochs: 8)
        let frames = try clips.frames(configuration)
        #expect(frames.entries.count == 16 && frames.failures.isEmpty)
        let run = clips.run("tuned", configuration)
        var losses: [Double] = []
        let summary = try run.train(frames, cache: clips.cache) { losses.append($0.trainLoss) }
        #expect(losses.count == 8 && losses[7] < losses[0])
        #expect(summary.metrics[.test]?.accuracy == 1)

        var extraction = configuration.extraction
        extraction.weights = .file(run.weightsPath)
        let extractor = Extractor(
            name: "x", dataset: clips.dataset, configurations: [extraction], workers: 1, version: "test")
        let extracted = try extractor.run(into: clips.cache, report: { _ in })
        #expect(extracted.extracted == 16)
        #expect(try clips.cache.extractions().count == 1)
        let evaluated = try RunEvaluation(run.directory, role: .test, cache: nil)
        let id = try #require(try clips.cache.run(named: "tuned"))
        let stored = try clips.cache.predictions(run: id, split: "test")
        #expect(evaluated.predictions.count == stored.count && stored.count == 4)
        for (ours, before) in zip(evaluated.predictions.sorted { $0.videoID < $1.videoID }, stored) {
            #expect(ours.videoID == before.videoID && ours.label == before.label)
            for (a, b) in zip(ours.probabilities, before.probabilities) { #expect(abs(a - b) < 1e-4) }
        }
        #expect(try clips.cache.epochs(run: id).count == 8)
        let files = try FileManager.default.contentsOfDirectory(atPath: run.directory.path).sorted()
        #expect(
            files == [
                "backbone", "clips.csv", "config.json", "epochs.csv", "last.safetensors", "model.safetensors",
                "predictions.csv",
            ])
    }

    @Test("an interrupted run resumes to the same weights as an uninterrupted one") func resume() throws {
        let clips = try Clips()
        var configuration = Clips.configuration(epochs: 4)
        configuration.augmentation.flipsHorizontally = true
        configuration.augmentation.rotation = 0.1
        configuration.backboneLearningRate = 1e-3
        let frames = try clips.frames(configuration)
        let whole = clips.run("whole", configuration)
        _ = try whole.train(frames, cache: clips.cache) { _ in }
        var part = clips.run("part", configuration)
        // Stops in the middle of the third epoch.
        var batches = 0
        let stopped = try part.train(
            frames, cache: clips.cache, isCancelled: { batches >= 7 }, progress: { _, _ in batches += 1 },
            report: { _ in })
        #expect(stopped.wasCancelled && stopped.epochs == 2)
        #expect(try clips.cache.runs().last?.state == "interrupted")
        // The best model so far, and nothing in the cache that the finished run would replace.
        let kept = try part.directory.load()
        #expect((1...2).contains(kept.configuration.bestEpoch) && kept.configuration.diverged == nil)
        let early = try SafeTensorsFile(path: part.weightsPath)
        #expect(early.shapes.count == (try SafeTensorsFile(path: whole.weightsPath)).shapes.count)
        #expect(try clips.cache.extractions().count == 1)
        part.resumes = true
        let resumed = try part.train(frames, cache: clips.cache) { _ in }
        #expect(resumed.epochs == 4)
        for file in ["model.safetensors", "backbone/model.safetensors"] {
            let (a, b) = (
                FileManager.default.contents(atPath: whole.directory.path + "/" + file),
                FileManager.default.contents(atPath: part.directory.path + "/" + file)
            )
            #expect(a != nil && a == b, "\(file)")
        }
        var other = part
        other.configuration.training.batchSize = 2
        #expect(throws: FineTuningError.otherCheckpoint(run: part.directory.path)) {
            try other.train(frames, cache: clips.cache) { _ in }
        }
        #expect(throws: CacheError.runExists(name: "whole")) { try whole.train(frames, cache: clips.cache) { _ in } }
    }

    @Test("frames are decoded once; a broken video is reported and the others are used") func frameStore() throws {
        let clips = try Clips()
        try clips.scratch.file("clips/train/dark/broken.y4m", "nothing")
        let configuration = Clips.configuration()
        var decoded = 0, failed: [String] = []
        func load() throws -> FrameSet {
            try FrameSet(
                clips.dataset, configuration, store: FrameStore(path: clips.path + "/frames.sqlite"), workers: 2
            ) { event in
                switch event {
                case .decoded: decoded += 1
                case .failed(let path, _): failed.append(path)
                }
            }
        }
        let first = try load()
        #expect(first.entries.count == 16 && decoded == 17 && failed == ["train/dark/broken.y4m"])
        #expect(first.failures.map(\.path) == failed)
        decoded = 0
        let again = try load()
        // The broken clip is retried.
        #expect(decoded == 1 && again.entries == first.entries)
        let store = try FrameStore(path: clips.path + "/frames.sqlite")
        let own = try store.frames(key: first.entries[0].key)
        #expect(own.count == 3 && own.allSatisfy { $0.count == 32 * 32 * 3 })
        #expect(throws: CacheError.self) { try store.frames(key: "no such clip") }
    }

    @Test("frames of each video are sampled randomly, up to a limit of frames per class") func frameLimits() throws {
        let clips = try Clips()
        var configuration = Clips.configuration(.frame)
        (configuration.framesPerVideo, configuration.framesPerClass) = (2, 5)
        let frames = try clips.frames(configuration)
        let task = try FineTuningTask(configuration, frames, memory: .max)
        // Four training clips of each class have eight such frames.
        for label in task.head.labels {
            #expect(task.samples.count { frames.entries[$0.entry].clip.label == label } == 5)
        }
        #expect(task.samples.allSatisfy { $0.count == 1 })
    }

    @Test("frozen layers are unchanged, and run once if their input is not augmented") func frozen() throws {
        let clips = try Clips()
        var configuration = Clips.configuration(epochs: 2)
        configuration.unfreezing = .last(1)
        let frames = try clips.frames(configuration)
        let task = try FineTuningTask(configuration, frames, memory: .max)
        #expect(task.network.hasFrozenPart && task.network.boundarySize == 256 * 2 * 2)
        let result = try FineTuner(configuration).train(frames)
        let fresh = FreshParameters(SmallCNN().graph(imageSize: 32), seed: 3)
        let graph = SmallCNN().graph(imageSize: 32)
        for parameter in graph.parameters {
            let isSame = result.weights[parameter.name] == fresh.tensor(for: parameter)
            #expect(
                isSame == !(parameter.name.hasPrefix("conv4") || parameter.name.hasPrefix("bn4")), "\(parameter.name)")
        }
        // The same without caching in memory.
        var streamed = FineTuner(configuration)
        streamed.memory = 0
        #expect(try streamed.train(frames).weights == result.weights)
        configuration.unfreezing = .named(["conv2", "bn2"])
        let middle = try FineTuningTask(configuration, frames, memory: 0)
        let trained = middle.initialState.weights.network.trained
        #expect(Set(trained.tensors.keys) == ["conv2.weight", "bn2.weight", "bn2.bias"])
    }

    @Test("configurations that cannot be trained are errors that say why") func errors() throws {
        let clips = try Clips(clips: 8)
        var configuration = Clips.configuration()
        let frames = try clips.frames(configuration)
        configuration.unfreezing = .named(["conv2", "layer9"])
        #expect(
            throws: FineTuningError.unknownLayers(
                ["layer9"], available: ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "conv4", "bn4"])
        ) { try FineTuner(configuration).train(frames) }
        // The last "layer" of VGG16 is a pooling.
        var vgg = configuration
        vgg.extraction.backbone = try #require(Backbone.named("vgg16"))
        vgg.unfreezing = .last(1)
        #expect(throws: FineTuningError.nothingTrained(backbone: "vgg16")) { try FineTuner(vgg).train(frames) }
        configuration = Clips.configuration()
        configuration.training.optimizer.learningRate = 1e30
        #expect(throws: SequenceError.diverged(epoch: 1)) { try FineTuner(configuration).train(frames) }
        // 32 pixels halved five times are one; a batch of one frame has no standard deviation.
        configuration = Clips.configuration(.frame)
        configuration.training.batchSize = 1
        #expect(throws: FineTuningError.singleValue(backbone: "small_cnn")) {
            try FineTuner(configuration).train(frames)
        }
    }

    @Test("frames that do not fit on the disk are rejected before decoding") func noRoom() throws {
        let scratch = ScratchFolder()
        try FrameSet.checkRoom(scratch.path + "/frames.sqlite", bytes: 1)
        #expect(
            refusal(of: FineTuningError.self) {
                try FrameSet.checkRoom(scratch.path + "/frames.sqlite", bytes: 1 << 60)
            }.contains("--frames"))
    }

    @Test("a batch of one with batch normalisation gives a warning") func batchOfOne() throws {
        var configuration = Clips.configuration()
        #expect(configuration.warnings.isEmpty)
        configuration.training.batchSize = 1
        #expect(configuration.warnings.count == 1 && configuration.warnings[0].contains("the 3 frames of one video"))
        configuration.extraction.backbone = try #require(Backbone.named("vgg16"))
        #expect(configuration.warnings.isEmpty)
    }

    @Test("a convolutional LSTM on feature maps is trained with the backbone") func maps() throws {
        let clips = try Clips()
        var configuration = Clips.configuration(.convlstm, epochs: 6)
        configuration.extraction.imageSize = 64
        let result = try FineTuner(configuration).train(clips.frames(configuration))
        #expect(result.evaluations[.test]?.metrics?.accuracy == 1)
    }
}

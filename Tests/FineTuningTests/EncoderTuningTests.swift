import Backbones
import Extraction
import NeuralNetwork
import SequenceModels
import TestSupport
import Testing
@testable import FineTuning

@Suite struct EncoderTuningTests {
    @Test(
        "the last layers of newer encoders train, and what is extracted with them gives the run's predictions",
        arguments: [
            ("vit_tiny_16", "pooled"), ("vit_tiny_16", "tokens"), ("mobilenetv3_large", "pooled"),
            ("efficientnet_lite0", "pooled"), ("convnext_tiny", "pooled"),
        ])
    func lastLayers(name: String, tap: String) throws {
        let clips = try Clips(clips: 8, frames: 4)
        var configuration = Clips.configuration(tap == "tokens" ? .convlstm : .gru, epochs: 3)
        configuration.extraction.backbone = try #require(Backbone.named(name))
        configuration.extraction.tap = tap
        configuration.extraction.imageSize = 64
        configuration.unfreezing = .last(3)
        let frames = try clips.frames(configuration)
        let task = try FineTuningTask(configuration, frames, memory: .max)
        #expect(task.network.hasFrozenPart)
        #expect(!task.initialState.network.trained.tensors.isEmpty)
        let run = clips.run("tuned", configuration)
        var losses: [Double] = []
        _ = try run.train(frames, cache: clips.cache) { losses.append($0.trainLoss) }
        #expect(losses.count == 3 && losses.allSatisfy(\.isFinite))

        var extraction = configuration.extraction
        extraction.weights = .file(run.weightsPath)
        let extractor = Extractor(
            name: "x", dataset: clips.dataset, configurations: [extraction], workers: 1, version: "test")
        #expect(try extractor.run(into: clips.cache, report: { _ in }).extracted == 8)
        let evaluated = try RunEvaluation(run.directory, role: .test, cache: nil)
        let id = try #require(try clips.cache.run(named: "tuned"))
        let stored = try clips.cache.predictions(run: id, split: "test")
        #expect(evaluated.predictions.count == stored.count && !stored.isEmpty)
        for (ours, before) in zip(evaluated.predictions.sorted { $0.videoID < $1.videoID }, stored) {
            for (a, b) in zip(ours.probabilities, before.probabilities) { #expect(abs(a - b) < 1e-4) }
        }
    }
}

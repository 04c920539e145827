import Backbones
import Datasets
import Extraction
import Foundation
import SequenceModels
import Testing
@testable import FineTuning

@Suite struct AugmentationTests {
    static let side = 12
    static let image = (0..<side * side * 3).map { place -> UInt8 in
        let pattern = place * 37 + place / 36 * 11
        return UInt8(pattern % 200 + 20)
    }

    private static func applied(_ change: (inout Augmentation) -> Void, seed: UInt64 = 1) -> [UInt8] {
        var augmentation = Augmentation()
        change(&augmentation)
        var generator = SplitMix64(seed: seed)
        return Augmentation.apply(augmentation.draw(&generator), to: image, side: side)
    }

    private static func pixel(_ pixels: [UInt8], _ x: Int, _ y: Int) -> [UInt8] {
        Array(pixels[(y * side + x) * 3..<(y * side + x) * 3 + 3])
    }

    @Test("without augmentations an image is unchanged, and the same seed gives the same image") func identity() {
        #expect(Self.applied { _ in } == Self.image)
        func all(_ a: inout Augmentation) {
            (a.flipsHorizontally, a.rotation, a.zoom, a.contrast, a.brightness, a.crop) = (
                true, 0.2, 0.2, 0.3, 0.1, 0.6
            )
        }
        #expect(Self.applied(all, seed: 5) == Self.applied(all, seed: 5))
        #expect(Self.applied(all, seed: 5) != Self.applied(all, seed: 6))
    }

    @Test("a flip mirrors the image exactly, in about half of the cases") func flips() {
        var mirrored = 0
        for seed in 0..<200 {
            let result = Self.applied({ $0.flipsHorizontally = true }, seed: UInt64(seed))
            if result == Self.image { continue }
            mirrored += 1
            for y in 0..<Self.side {
                for x in 0..<Self.side {
                    #expect(Self.pixel(result, x, y) == Self.pixel(Self.image, Self.side - 1 - x, y))
                }
            }
        }
        #expect((70...130).contains(mirrored))
        let upside = (0..<20).map { seed in Self.applied({ $0.flipsVertically = true }, seed: seed) }
            .first { $0 != Self.image }
        #expect(upside.map { Self.pixel($0, 3, 0) } == Self.pixel(Self.image, 3, Self.side - 1))
    }

    @Test("a rotation by 90° moves every pixel to its place") func quarterTurn() {
        let draw = Augmentation.Draw(matrix: [0, -1, 0, 1, 0, 0], contrast: 1, brightness: 0)
        let result = Augmentation.apply(draw, to: Self.image, side: Self.side)
        for y in 0..<Self.side {
            for x in 0..<Self.side {
                #expect(Self.pixel(result, x, y) == Self.pixel(Self.image, Self.side - 1 - y, x))
            }
        }
    }

    @Test("contrast preserves the mean colour, brightness changes it, and both stay within 0 to 255") func colours() {
        func mean(_ pixels: [UInt8]) -> Double { pixels.reduce(0) { $0 + Double($1) } / Double(pixels.count) }
        func standardDeviation(_ pixels: [UInt8]) -> Double {
            let middle = mean(pixels)
            let squares = pixels.map { (Double($0) - middle) * (Double($0) - middle) }
            return (squares.reduce(0, +) / Double(pixels.count)).squareRoot()
        }
        let soft = Augmentation.apply(
            .init(matrix: [1, 0, 0, 0, 1, 0], contrast: 0.5, brightness: 0), to: Self.image, side: Self.side)
        #expect(abs(mean(soft) - mean(Self.image)) < 0.5)
        #expect(abs(standardDeviation(soft) - 0.5 * standardDeviation(Self.image)) < 0.5)
        let bright = Augmentation.apply(
            .init(matrix: [1, 0, 0, 0, 1, 0], contrast: 1, brightness: 20), to: Self.image, side: Self.side)
        #expect(abs(mean(bright) - mean(Self.image) - 20) < 0.5)
        #expect(
            Augmentation.apply(
                .init(matrix: [1, 0, 0, 0, 1, 0], contrast: 1, brightness: 250), to: Self.image, side: Self.side
            ).allSatisfy { $0 == 255 })
    }

    @Test("rotations and zooms stay inside the image's range of colours, with reflection padding beyond the border")
    func borders() throws {
        for seed in 0..<30 {
            let result = Self.applied({ ($0.rotation, $0.zoom, $0.crop) = (0.4, 0.2, 0.3) }, seed: UInt64(seed))
            #expect(result.count == Self.image.count)
            #expect(try #require(result.min()) >= Self.image.min()! && result.max()! <= Self.image.max()!)
        }
    }
}

@Suite struct EncoderTuningTests {
    @Test(
        "the last layers of newer encoders are trained, and features extracted with them give the run's predictions",
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
        #expect(!task.initialState.weights.network.trained.tensors.isEmpty)
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

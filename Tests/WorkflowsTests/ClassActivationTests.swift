import Backbones
import Extraction
import Foundation
import NeuralNetwork
import Workflows
@testable import SequenceModels
import TestSupport
import Testing
import Video

@testable import Reports

@Suite struct ClassActivationTests {
    struct Goldens: Decodable {
        let goldens: [Golden]
        let upsampled: [Float]
    }

    struct Golden: Decodable, CustomTestStringConvertible {
        let backbone, tap: String
        let kind: HeadConfiguration.Kind
        let imageSize, label: Int
        /// Frames of a window that begins at each frame, for video encoders.
        let window: Int?
        /// Channels, height, width.
        let shape: [Int]
        /// `[frame, height, width]`.
        let maps: [Float]
        var testDescription: String { "\(backbone) \(tap), \(kind.rawValue)" }

        enum CodingKeys: String, CodingKey {
            case backbone, tap, kind, label, window, shape, maps, imageSize = "image_size"
        }
    }

    static let goldens: Goldens = fixture("cam", in: Bundle.module)

    static func image(_ index: Int, size: Int) -> RGBImage {
        RGBImage(width: size, height: size, pixels: parityImage(index, size: size))
    }

    /// A run of an untrained backbone and head on four images.
    private static func place(_ golden: Golden, in scratch: ScratchFolder) throws -> RunDirectory {
        try FileManager.default.createDirectory(atPath: scratch.path + "/clip", withIntermediateDirectories: true)
        for index in 0..<4 { try image(index, size: golden.imageSize).write(to: "\(scratch.path)/clip/\(index).png") }
        let backbone = try #require(Backbone.named(golden.backbone))
        let configuration = ExtractionConfiguration(
            backbone: backbone, weights: .random, tap: golden.tap, imageSize: golden.imageSize,
            sampling: golden.window.map { .windows(WindowSampling(length: $0, stride: 1, windows: 4)) }
                ?? .first(frames: 4))
        let recipe = try ExtractionRecipe(configuration, LoadedWeights(.random, for: nil))
        let shape = try recipe.graph().featureShape(of: golden.tap)
        let input = HeadConfiguration.Input(shape: shape, maximumLength: 4)
        let size = shape.reduce(1, *)
        let head = try Head(
            HeadConfiguration(kind: golden.kind, hidden: [5]), labels: ["a", "b", "c"], input: input,
            standardization: Standardization(
                mean: around("mean", [size], centre: 0.5, spread: 0.5).values,
                scale: around("scale", [size], centre: 1, spread: 0.5).values), from: RandomParameters())
        return try RunDirectory(path: scratch.path + "/run", saving: head, input, recipe)
    }

    static func correlation(_ first: [Float], _ second: [Float]) -> Double {
        let count = Double(first.count)
        let (meanA, meanB) = (first.reduce(0) { $0 + Double($1) } / count, second.reduce(0) { $0 + Double($1) } / count)
        var (ab, aa, bb) = (0.0, 0.0, 0.0)
        for (a, b) in zip(first, second) {
            ab += (Double(a) - meanA) * (Double(b) - meanB)
            aa += (Double(a) - meanA) * (Double(a) - meanA)
            bb += (Double(b) - meanB) * (Double(b) - meanB)
        }
        return ab / (aa * bb).squareRoot()
    }

    @Test("maps equal PyTorch's Grad-CAM for the same weights and pixels", arguments: goldens.goldens)
    func maps(golden: Golden) throws {
        let scratch = ScratchFolder()
        let mapper = try ClassActivationMapper(Self.place(golden, in: scratch))
        let label = ["a", "b", "c"][golden.label]
        let activation = try mapper.map(scratch.path + "/clip", label: label)
        #expect(activation.label == label)
        #expect([activation.height, activation.width] == Array(golden.shape[1...]))
        let ours = activation.frames.flatMap(\.map)
        try #require(ours.count == golden.maps.count)
        let largest = golden.maps.max() ?? 0
        try #require(largest > 0)
        #expect(Self.correlation(ours, golden.maps) >= 0.9999)
        #expect(zip(ours, golden.maps).allSatisfy { abs($0 - $1) <= 1e-3 * largest })
    }

    @Test("maps are upsampled like PyTorch's bilinear interpolation") func upsampling() {
        let map = around("map", [15]).values
        let ours = upsampled(map, height: 3, width: 5, to: (8, 13))
        #expect(zip(ours, Self.goldens.upsampled).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(ours.count == Self.goldens.upsampled.count)
    }

    @Test("of several labels, the caption names the one that the map is of, and all predicted ones") func captions() {
        func title(_ predicted: [(label: String, probability: Double)]?) -> String {
            ClassActivation(
                video: "v", label: "run", probability: 0.4, predicted: predicted, height: 1, width: 1, frames: []
            ).spread(1).title(separator: " ")
        }
        #expect(title(nil) == "run 40.0 %")
        #expect(title([]) == "map of run 40.0 %; predicted: no label")
        #expect(title([("jump", 0.9), ("walk", 0.5)]) == "map of run 40.0 %; predicted: jump 90.0 %, walk 50.0 %")
    }

    @Test("the predicted class is explained if none is named, and an unknown one is rejected") func labels() throws {
        let scratch = ScratchFolder()
        let run = try Self.place(Self.goldens.goldens[0], in: scratch)
        let mapper = try ClassActivationMapper(run)
        let predicted = try Predictor(run).predict(scratch.path + "/clip").classes[0]
        let activation = try mapper.map(scratch.path + "/clip")
        #expect(activation.label == predicted.label)
        #expect(abs(activation.probability - predicted.probability) < 1e-4)
        #expect(throws: PredictorError.unknownLabel("d", available: ["a", "b", "c"])) {
            try mapper.map(scratch.path + "/clip", label: "d")
        }
        #expect(activation.predicted == nil)
        #expect(activation.title() == "\(activation.label)  \(percent(activation.probability))")
        let sheet = activation.spread(2).sheet(TextRenderer())
        #expect(activation.spread(2).frames.map(\.time) == [0.04, 0.12])
        #expect(sheet.height > 2 * 224 && sheet.width > 2 * 224)
        #expect(activation.animation(TextRenderer()).count == 4)
    }
}

extension RunDirectory {
    /// Saves a head that was not trained on the recipe's features.
    init(path: String, saving head: Head, _ input: HeadConfiguration.Input, _ recipe: ExtractionRecipe) throws {
        self.init(path: path)
        let configuration = Configuration(
            name: "run", version: "", labels: head.labels, input: input,
            training: TrainingConfiguration(model: head.configuration), recipe: recipe.json,
            recipeDigest: recipe.digest, weights: "random", cache: "", dataset: "", bestEpoch: 0)
        try save(head, configuration)
    }
}

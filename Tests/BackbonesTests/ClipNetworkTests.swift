import Backbones
import Foundation
import Inference
import NeuralNetwork
import TestSupport
import Testing

@Suite struct ClipNetworkTests {
    struct Goldens: Decodable { let goldens: [Golden] }

    struct Golden: Decodable, CustomTestStringConvertible {
        let backbone: String
        let imageSize, frames: Int
        let tap: String
        let largest: Float
        let stride, featureSize: Int
        let features: [[Float]]
        var testDescription: String { "\(backbone) \(tap) of \(frames) frames at \(imageSize)" }

        /// The largest difference between our features and the publisher's, of the largest value.
        func error(batch: Int = 1, tuning: KernelTuning? = nil) throws -> Float {
            let network = try #require(Backbone.named(backbone))
            let plan = try InferencePlan(
                graph: network.graph(imageSize: imageSize, frames: frames), output: tap, batch: batch,
                weights: PackedWeights(RandomParameters()), tuning: tuning)
            let clips = (0..<2).map { ClipNetworkTests.clip($0, frames: frames, size: imageSize) }
            let normalization = network.inputConvention().normalization
            let ours =
                batch == 1
                ? try clips.flatMap { try plan.run(pixels: $0, normalization: normalization).values }
                : try plan.run(pictures: clips, normalization: normalization).values
            try #require(ours.count == 2 * featureSize)
            var worst: Float = 0
            for (clip, expected) in features.enumerated() {
                for (index, value) in expected.enumerated() {
                    worst = max(worst, abs(ours[clip * featureSize + index * stride] - value))
                }
            }
            return worst / largest
        }
    }

    static let goldens = (fixture("clips", in: Bundle.module) as Goldens).goldens

    /// `features` of Tests/Parity/clip_goldens.py.
    static func clip(_ index: Int, frames: Int, size: Int) -> [UInt8] {
        let few = (0..<min(3, frames)).map { ParityTests.picture(index + 2 * $0, size: size) }
        return (0..<frames).flatMap { few[$0 % 3].map { $0 >> index } }
    }

    @Test("features and scores equal the publishers' for the same parameters and frames", arguments: goldens)
    func featuresEqualPublishers(golden: Golden) throws {
        let error = try golden.error()
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test(
        "sums over the places of a window equal the publishers' too",
        arguments: goldens.filter { $0.backbone != "s3d" && $0.imageSize <= 112 })
    func tuned(golden: Golden) throws {
        let error = try golden.error(tuning: KernelTuning(path: nil))
        #expect(error <= 1e-4, "largest difference \(error) of the largest value")
    }

    @Test("two windows at once give what they give alone", arguments: goldens.filter { $0.imageSize <= 65 })
    func batches(golden: Golden) throws { #expect(try golden.error(batch: 2, tuning: KernelTuning(path: nil)) <= 1e-4) }

    @Test("every network of windows has goldens of two sizes") func complete() {
        for backbone in Backbone.all where backbone.clip != nil {
            let own = Self.goldens.filter { $0.backbone == backbone.name }
            #expect(Set(own.map(\.imageSize)).count > 1 && own.contains { $0.imageSize == backbone.nativeImageSize })
        }
    }

    @Test(
        "eight bits keep a network of windows what it is", arguments: ["r3d_18", "r2plus1d_18"])
    func integers(name: String) throws {
        let network = try #require(Backbone.named(name))
        let graph = network.graph(imageSize: 64, frames: 8)
        let weights = PackedWeights(RandomParameters())
        let normalization = network.inputConvention().normalization
        let clips = (0..<3).map { Self.clip($0, frames: 8, size: 64) }
        let calibration = try Calibrator(
            graph: graph, output: "pooled", batch: 1, weights: weights, normalization: normalization
        ).calibration(of: clips)
        func features(_ arithmetic: Arithmetic) throws -> [[Float]] {
            let plan = try InferencePlan(
                graph: graph, output: "pooled", batch: 1, weights: weights, arithmetic: arithmetic)
            return try clips.map { try plan.run(pixels: $0, normalization: normalization).values }
        }
        for (ours, exact) in zip(try features(.int8(calibration)), try features(.f32)) {
            let cosine =
                zip(ours, exact).reduce(0) { $0 + $1.0 * $1.1 }
                / (ours.reduce(0) { $0 + $1 * $1 } * exact.reduce(0) { $0 + $1 * $1 }).squareRoot()
            #expect(cosine > 0.995 && cosine < 1)
        }
        for (ours, exact) in zip(try features(.bf16), try features(.f32)) {
            let largest = exact.map(abs).max() ?? 0
            #expect(zip(ours, exact).allSatisfy { abs($0 - $1) < 0.05 * largest })
        }
    }

    @Test("labels of Kinetics are 400, in the order of their names") func labels() {
        #expect(ClassLabels.kinetics400.count == 400 && ClassLabels.kinetics400[0] == "abseiling")
        #expect(ClassLabels.kinetics400.last == "zumba" && ClassLabels.published(count: 400) == ClassLabels.kinetics400)
        #expect(ClassLabels.published(count: 7) == nil)
    }
}

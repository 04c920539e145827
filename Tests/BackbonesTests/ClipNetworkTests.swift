import Backbones
import Foundation
import NeuralNetwork
import TestSupport
import Testing

@Suite struct ClipNetworkTests {
    struct Goldens: Decodable {
        let goldens: [Golden]
    }

    struct Golden: Decodable, CustomTestStringConvertible {
        let backbone: String
        let imageSize: Int
        let frames: Int
        let tap: String
        let largest: Float
        let stride: Int
        let featureSize: Int
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
    func batches(golden: Golden) throws {
        #expect(try golden.error(batch: 2, tuning: KernelTuning(path: nil)) <= 1e-4)
    }
}
